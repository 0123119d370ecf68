//! Reads a configuration from text, with the line of every error. Every file is read twice: by the YAML reader, for its
//! limits and places, and by `serde_yaml`, for its types.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_path_to_error::{Segment, Track};

use super::Config;
use crate::yaml::{self, Data, Node, Place};

/// An error of the file, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub file: String,
    /// 1-based; 0 for the file as a whole.
    pub line: usize,
    pub column: usize,
    pub message: String,
    /// The line itself, to show. Withheld if it may contain a secret.
    pub source: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => {
                write!(f, "{}:{line}:{}: {}", self.file, self.column, self.message)?;
                match &self.source {
                    Some(source) => write!(f, "\n  {line} | {source}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for Mistake {}

/// Reads and checks a configuration except its `connectors`, which `Document::section` reads. The first value is the
/// configuration, the second its warnings.
pub fn read(path: &Path) -> Result<(Config, Vec<Mistake>), Mistake> {
    let mut document = Document { file: path.display().to_string(), text: Arc::from("") };
    let bytes =
        std::fs::read(path).map_err(|cause| document.mistake(format!("cannot be read: {}", cause.kind())))?;
    let text = String::from_utf8(bytes).map_err(|_| document.mistake("is not UTF-8 text"))?;
    document.text = Arc::from(text);
    let base = path.parent().unwrap_or(Path::new("")).to_owned();
    let config = Config { base, ..document.config()? };
    check(&config).map_err(|message| document.mistake(message))?;
    let warnings = warnings(&config).into_iter().map(|message| document.mistake(message)).collect();
    Ok((Config { document, ..config }, warnings))
}

/// The text of a configuration. Parts are read from it with the place of every error.
#[derive(Debug, Clone, Default)]
pub struct Document {
    file: String,
    text: Arc<str>,
}

impl Document {
    /// Returns an error of the file as a whole.
    pub fn mistake(&self, message: impl Into<String>) -> Mistake {
        Mistake { file: self.file.clone(), line: 0, column: 0, message: message.into(), source: None }
    }

    /// Reads the value of one key of the file. `None`: the key is missing or empty.
    pub fn section<'de, S: DeserializeSeed<'de>>(
        &'de self,
        key: &str,
        seed: S,
    ) -> Result<Option<S::Value>, Mistake> {
        self.deserialize(Section { key, seed })
    }

    fn config(&self) -> Result<Config, Mistake> {
        // Errors that the typed pass accepts: duplicate keys, aliases, any size and depth.
        if let Some(fault) = self.nodes().1.into_iter().next() {
            return Err(self.at(&fault.place, fault.message));
        }
        self.deserialize(PhantomData::<Config>)
    }

    fn nodes(&self) -> (Option<Node>, Vec<yaml::Fault>) {
        yaml::read(&self.file, self.text.as_bytes(), LARGEST_FILE)
    }

    fn deserialize<'de, S: DeserializeSeed<'de>>(&'de self, seed: S) -> Result<S::Value, Mistake> {
        let mut track = Track::new();
        let deserializer = serde_yaml::Deserializer::from_str(&self.text);
        seed.deserialize(serde_path_to_error::Deserializer::new(deserializer, &mut track)).map_err(|error| {
            let (root, _) = self.nodes();
            let place = root.and_then(|root| locate(&root, track.path().iter()));
            let stumbled = || {
                let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
                Place { file: self.file.clone(), line, column, length: 1 }
            };
            let place = place.unwrap_or_else(stumbled);
            // serde_yaml appends its own place, which is less exact than ours.
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or(&message).to_owned();
            self.at(&place, message)
        })
    }

    fn at(&self, place: &Place, message: String) -> Mistake {
        let Place { line, column, .. } = *place;
        let source = self.text.lines().nth(line.saturating_sub(1)).filter(|line| !may_be_secret(line));
        let source = source.map(|line| line.chars().take(LONGEST_LINE).collect());
        Mistake { file: self.file.clone(), line, column, message, source }
    }
}

/// Reads the value of one key of a mapping and skips the others.
struct Section<'a, S> {
    key: &'a str,
    seed: S,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Section<'_, S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Section<'_, S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut seed, mut value) = (Some(self.seed), None);
        while let Some(key) = map.next_key::<String>()? {
            match seed.take_if(|_| key == self.key) {
                Some(seed) => value = Some(map.next_value_seed(seed)?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(value)
    }
}

/// Most characters of a line that are shown with an error.
const LONGEST_LINE: usize = 200;
/// Size limit of a configuration file.
const LARGEST_FILE: usize = 1 << 20;

fn may_be_secret(line: &str) -> bool {
    ["secret", "password", "token", "value", "headers", "Authorization"]
        .iter()
        .any(|word| line.contains(word))
}

/// Follows a path through the tree as far as it exists.
fn locate<'a>(root: &Node, path: impl Iterator<Item = &'a Segment>) -> Option<Place> {
    let mut node = root;
    let mut place = None;
    for segment in path {
        let next = match (&node.data, segment) {
            (Data::Map(_), Segment::Map { key }) => node.entry(key).map(|(key, value)| (&key.place, value)),
            (Data::List(items), Segment::Seq { index }) => items.get(*index).map(|item| (&item.place, item)),
            _ => None,
        };
        let Some((at, value)) = next else { break };
        place = Some(at.clone());
        node = value;
    }
    place
}

/// Checks rules between keys.
fn check(config: &Config) -> Result<(), String> {
    match config.store.split_once(':') {
        Some(("sled", dir)) if !dir.is_empty() => {}
        Some(("postgres", _)) => {
            return Err("store: PostgreSQL is not supported by this version; use sled:DIRECTORY".to_owned());
        }
        _ => return Err("store: expected sled:DIRECTORY".to_owned()),
    }
    if config.public_url.cannot_be_a_base() || config.public_url.host().is_none() {
        return Err("public_url: expected an address such as https://proof.example.com".to_owned());
    }
    config.access.check()
}

fn warnings(config: &Config) -> Vec<String> {
    let plain = config.access.tokens.iter().filter(|token| token.token.is_plain());
    let plain = plain.map(|token| plain_secret(&format!("the token {}", token.name)));
    let http = plain_http("public_url", &config.public_url);
    plain.chain(http).collect()
}

/// Returns the warning about a secret whose text is in the file.
pub fn plain_secret(what: &str) -> String {
    format!(
        "warning: {what} is stored in plain text; use {{credential: NAME}}, {{file: PATH}} or {{env: NAME}}"
    )
}

/// Returns the warning about an unencrypted address. Only the host is shown: paths and queries may be secrets.
pub fn plain_http(what: &str, url: &url::Url) -> Option<String> {
    (url.scheme() == "http" && !is_loopback(url)).then(|| {
        let host = url.host_str().unwrap_or_default();
        format!("warning: {what} ({host}) uses plain http; use https")
    })
}

/// Returns whether an address is on this machine.
pub fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        // With a scheme that the URL standard does not define, such as smtp, an IP address is parsed as a name.
        Some(url::Host::Domain(name)) => {
            name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        }
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = "public_url: https://proof.example.com\n";

    fn parse(text: &str) -> Result<Config, Mistake> {
        Document { file: "proofd.yaml".to_owned(), text: Arc::from(text) }.config()
    }

    fn check_mistake(text: &str, line: usize, column: usize, says: &str) {
        let mistake = parse(text).unwrap_err();
        assert_eq!((mistake.line, mistake.column), (line, column), "{mistake}");
        assert!(mistake.message.contains(says), "{mistake}");
    }

    #[test]
    fn a_minimal_file_gets_the_defaults() {
        let config = parse(SMALLEST).unwrap();
        assert_eq!(config.listen.port(), 8470);
        assert_eq!(config.store, "sled:/var/lib/proofd");
        assert!(check(&config).is_ok());
    }

    #[test]
    fn an_error_has_line_and_column() {
        check_mistake(&format!("{SMALLEST}lisen: 1\n"), 2, 1, "unknown field `lisen`");
        check_mistake(&format!("{SMALLEST}listen: here\n"), 2, 1, "invalid socket address");
        check_mistake("public_url: [\n", 1, 13, "this `[` is not closed");
        for (open, column) in [("[", 257), ("{", 257), ("- ", 128)] {
            let text = format!("{SMALLEST}store:\n {}\n", open.repeat(60_000));
            check_mistake(&text, 3, column, "more than 64 levels");
        }
        check_mistake(
            &format!("{SMALLEST}organization: &a x\nstore: *a\n"),
            2,
            15,
            "anchors are not supported",
        );
        check_mistake(&format!("{SMALLEST}store: !!str x\n"), 2, 8, "tags");
        check_mistake(&format!("{SMALLEST}access:\n  <<: {{}}\n"), 3, 3, "merge keys are not supported");
        check_mistake(&format!("{SMALLEST}access: {{a: 1, a: 2}}\n"), 2, 16, "duplicate key `a`");
        check_mistake(
            &format!("{SMALLEST}store: {}\n", "x".repeat(2 << 20)),
            1,
            1,
            "at most 1024 KiB are read",
        );
        check_mistake(&format!("{SMALLEST}{SMALLEST}"), 2, 1, "");
    }

    #[test]
    fn an_error_hides_lines_with_secrets() {
        let text = format!(
            "{SMALLEST}access:\n  tokens:\n    - {{name: a, role: admin, tokn: hunter2, token: x}}\n"
        );
        let mistake = parse(&text).unwrap_err();
        assert!(!mistake.to_string().contains("hunter2"), "{mistake}");
    }
}
