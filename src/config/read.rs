//! From text to a configuration, with the line of every mistake.

use std::fmt;
use std::path::Path;

use saphyr::{LoadableYamlNode as _, MarkedYaml, YamlData};
use saphyr_parser::{Event, Parser};
use serde_path_to_error::Segment;

use super::Config;

/// What is wrong with the file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub file: String,
    /// 1-based; 0 where the file as a whole is meant.
    pub line: usize,
    pub column: usize,
    pub message: String,
    /// The line itself, for showing. Withheld where a secret may stand in it.
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

/// Reads and checks a configuration. The first value is the configuration with its warnings.
pub fn read(path: &Path) -> Result<(Config, Vec<Mistake>), Mistake> {
    let file = path.display().to_string();
    let whole = |message: String| Mistake { file: file.clone(), line: 0, column: 0, message, source: None };
    let bytes = std::fs::read(path).map_err(|cause| whole(format!("cannot be read: {}", cause.kind())))?;
    let text = String::from_utf8(bytes).map_err(|_| whole("is not UTF-8 text".to_owned()))?;
    let mut config = parse(&file, &text)?;
    config.base = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut warnings = warnings(&config, &file);
    check(&config).map_err(whole)?;
    warnings.sort_by_key(|warning| warning.line);
    Ok((config, warnings))
}

fn parse(file: &str, text: &str) -> Result<Config, Mistake> {
    let at = |line: usize, column: usize, message: String| {
        let source = text.lines().nth(line.saturating_sub(1)).filter(|line| !may_be_secret(line));
        let source = source.map(|line| line.chars().take(LONGEST_LINE).collect());
        Mistake { file: file.to_owned(), line, column, message, source }
    };
    bounded(text).map_err(|(line, message)| at(line, 1, message))?;
    // This pass finds duplicate keys, which serde_yaml would let through inside maps.
    let nodes = MarkedYaml::load_from_str(text).map_err(|error| {
        let marker = error.marker();
        at(marker.line(), marker.col() + 1, error.info().to_owned())
    })?;
    let deserializer = serde_yaml::Deserializer::from_str(text);
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let place = nodes.first().and_then(|root| locate(root, error.path().iter()));
        let inner = error.inner();
        let (line, column) = place
            .or_else(|| inner.location().map(|location| (location.line(), location.column())))
            .unwrap_or((1, 1));
        // serde_yaml appends its own place, which is less exact than ours.
        let message = inner.to_string();
        let message = message.split(" at line ").next().unwrap_or(&message).to_owned();
        let message = message
            .rsplit_once(": ")
            .filter(|(path, _)| !path.contains(' '))
            .map_or(message.clone(), |(path, rest)| format!("{path}: {rest}"));
        at(line, column, message)
    })
}

/// Characters of a line that are shown with a mistake.
const LONGEST_LINE: usize = 200;
/// Larger or deeper than any configuration is: nothing that takes more time than its length is asked of it.
const LARGEST_FILE: usize = 1 << 20;
const DEEPEST: usize = 64;

fn bounded(text: &str) -> Result<(), (usize, String)> {
    if text.len() > LARGEST_FILE {
        return Err((1, "the file is larger than 1 MiB".to_owned()));
    }
    let mut depth = 0_usize;
    for event in Parser::new_from_str(text) {
        match event {
            Ok((Event::SequenceStart(..) | Event::MappingStart(..), span)) => {
                depth += 1;
                if depth > DEEPEST {
                    return Err((span.start.line(), format!("nested deeper than {DEEPEST} levels")));
                }
            }
            Ok((Event::SequenceEnd | Event::MappingEnd, _)) => depth = depth.saturating_sub(1),
            Ok((Event::Alias(_), span)) => {
                return Err((span.start.line(), "aliases are not read here; write it twice".to_owned()));
            }
            Ok(_) => {}
            Err(error) if error.info().contains("recursion limit") => {
                return Err((error.marker().line(), format!("nested deeper than {DEEPEST} levels")));
            }
            // The pass that follows says what is wrong, and where.
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

fn may_be_secret(line: &str) -> bool {
    ["secret", "password", "token", "value", "Authorization"].iter().any(|word| line.contains(word))
}

/// Follows a path through the tree as far as it goes.
fn locate<'a>(root: &MarkedYaml<'_>, path: impl Iterator<Item = &'a Segment>) -> Option<(usize, usize)> {
    let mut node = root;
    let mut place = None;
    for segment in path {
        let next = match (&node.data, segment) {
            (YamlData::Mapping(map), Segment::Map { key }) => {
                let found = map.iter().find(|(name, _)| name.data.as_str() == Some(key));
                found.map(|(name, value)| (value, name))
            }
            (YamlData::Sequence(list), Segment::Seq { index }) => list.get(*index).map(|item| (item, item)),
            _ => None,
        };
        let Some((value, mark)) = next else { break };
        place = Some((mark.span.start.line(), mark.span.start.col() + 1));
        node = value;
    }
    place
}

/// Rules between keys.
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
    if let Some(jumio) = &config.connectors.jumio {
        if jumio.region.is_some() == jumio.urls.is_some() {
            return Err("connectors.jumio: give either region or urls".to_owned());
        }
        if !(jumio.starts_per_second > 0.0 && jumio.starts_per_second <= 1_000.0) {
            return Err("connectors.jumio.starts_per_second: expected a number above 0, such as 1".to_owned());
        }
    }
    if let Some(name) = config.connectors.http.keys().find(|name| config.connectors.scim.contains_key(*name))
    {
        return Err(format!(
            "connectors.http.{name}: connectors.scim has this name too, and 'in: {name}' would not say which"
        ));
    }
    config.access.check()
}

fn warnings(config: &Config, file: &str) -> Vec<Mistake> {
    let warn = |message: String| Mistake { file: file.to_owned(), line: 0, column: 0, message, source: None };
    let mut warnings = Vec::new();
    let mut plain = |what: &str, source: &super::SecretSource| {
        if source.is_plain() {
            warnings.push(warn(format!(
                "warning: {what} is a plain text; use {{credential: NAME}}, {{file: PATH}} or {{env: NAME}}"
            )));
        }
    };
    let connectors = &config.connectors;
    if let Some(onelogin) = &connectors.onelogin {
        plain("connectors.onelogin.client_secret", &onelogin.client_secret);
        if let Some(webhook) = &onelogin.webhook {
            plain("connectors.onelogin.webhook.value", &webhook.value);
        }
    }
    if let Some(jumio) = &connectors.jumio {
        plain("connectors.jumio.client_secret", &jumio.client_secret);
    }
    for (name, scim) in &connectors.scim {
        plain(&format!("connectors.scim.{name}.token"), &scim.token);
    }
    for (name, http) in &connectors.http {
        for (header, value) in &http.headers {
            plain(&format!("connectors.http.{name}.headers.{header}"), value);
        }
    }
    for (name, sink) in &connectors.events {
        if let Some(secret) = &sink.signing_secret {
            plain(&format!("connectors.events.{name}.signing_secret"), secret);
        }
    }
    for token in &config.access.tokens {
        plain(&format!("the token {}", token.name), &token.token);
    }
    let addresses = [
        ("connectors.onelogin.url", connectors.onelogin.as_ref().map(|onelogin| &onelogin.url)),
        ("public_url", Some(&config.public_url)),
    ];
    for (what, url) in addresses {
        if let Some(url) = url.filter(|url| url.scheme() == "http" && !is_loopback(url)) {
            warnings.push(warn(format!(
                "warning: {what} ({url}) is plain http: everybody on the way can read it"
            )));
        }
    }
    let scim = connectors.scim.iter().map(|(name, scim)| ("scim", name, &scim.url));
    let http = connectors.http.iter().map(|(name, http)| ("http", name, &http.url));
    let events = connectors.events.iter().map(|(name, sink)| ("events", name, &sink.url));
    for (kind, name, url) in scim.chain(http).chain(events) {
        if url.scheme() == "http" && !is_loopback(url) {
            // Only the host: paths and queries of such addresses may be secrets.
            let host = url.host_str().unwrap_or_default();
            warnings.push(warn(format!(
                "warning: connectors.{kind}.{name}.url ({host}) is plain http: everybody on the way can read it"
            )));
        }
    }
    warnings
}

/// Whether an address stays on this machine.
fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = "public_url: https://proof.example.com\n";

    fn check_mistake(text: &str, line: usize, column: usize, says: &str) {
        let mistake = parse("proofd.yaml", text).unwrap_err();
        assert_eq!((mistake.line, mistake.column), (line, column), "{mistake}");
        assert!(mistake.message.contains(says), "{mistake}");
    }

    #[test]
    fn the_smallest_file_has_the_defaults() {
        let config = parse("proofd.yaml", SMALLEST).unwrap();
        assert_eq!(config.listen.port(), 8470);
        assert_eq!(config.store, "sled:/var/lib/proofd");
        assert!(check(&config).is_ok());
    }

    #[test]
    fn a_mistake_has_its_place() {
        check_mistake(&format!("{SMALLEST}lisen: 1\n"), 2, 1, "unknown field `lisen`");
        check_mistake(
            &format!("{SMALLEST}connectors:\n  jumio:\n    regin: x\n"),
            4,
            5,
            "unknown field `regin`",
        );
        check_mistake(&format!("{SMALLEST}listen: here\n"), 2, 1, "invalid socket address");
        check_mistake("public_url: [\n", 2, 1, "");
        check_mistake(
            &format!("{SMALLEST}store: {}\n", "[".repeat(60_000)),
            2,
            1,
            "nested deeper than 64 levels",
        );
        check_mistake(
            &format!("{SMALLEST}store: {}\n", "{".repeat(60_000)),
            2,
            1,
            "nested deeper than 64 levels",
        );
        check_mistake(&format!("{SMALLEST}organization: &a x\nstore: *a\n"), 3, 1, "aliases are not read");
        check_mistake(&format!("{SMALLEST}store: {}\n", "x".repeat(2 << 20)), 1, 1, "larger than 1 MiB");
        check_mistake(&format!("{SMALLEST}{SMALLEST}"), 2, 1, "");
    }

    #[test]
    fn target_systems_and_sinks() {
        let told = |text: &str| {
            let config = parse("proofd.yaml", &format!("{SMALLEST}connectors:\n{text}")).unwrap();
            let mut told: Vec<_> = warnings(&config, "").into_iter().map(|warning| warning.message).collect();
            told.extend(check(&config).err());
            told
        };
        let secret = "{env: X}";
        for (text, expected) in [
            (format!("  scim: {{hr: {{url: 'https://h', token: {secret}}}}}\n"), &[][..]),
            (format!("  scim: {{hr: {{url: 'http://127.0.0.1/x', token: {secret}}}}}\n"), &[]),
            (
                "  scim: {hr: {url: 'http://h/SECRET', token: t}}\n".to_owned(),
                &["scim.hr.token is a plain text", "scim.hr.url (h) is plain http"],
            ),
            (
                "  http: {desk: {url: 'http://h/?k=SECRET', headers: {X-Key: k}}}\n".to_owned(),
                &["http.desk.headers.X-Key is a plain text", "http.desk.url (h) is plain http"],
            ),
            (
                "  events: {siem: {url: 'http://h', signing_secret: s}}\n".to_owned(),
                &["events.siem.signing_secret is a plain text", "events.siem.url (h) is plain http"],
            ),
            (
                format!(
                    "  scim: {{hr: {{url: 'https://h', token: {secret}}}}}\n  http: {{hr: {{url: 'https://h'}}}}\n"
                ),
                &["connectors.http.hr: connectors.scim has this name too"],
            ),
        ] {
            let told = told(&text);
            assert_eq!(told.len(), expected.len(), "{text} {told:?}");
            for (told, says) in told.iter().zip(expected) {
                assert!(told.contains(says) && !told.contains("SECRET"), "{told}");
            }
        }
    }

    #[test]
    fn a_line_with_a_secret_is_not_shown() {
        let text = format!(
            "{SMALLEST}access:\n  tokens:\n    - {{name: a, role: admin, tokn: hunter2, token: x}}\n"
        );
        let mistake = parse("proofd.yaml", &text).unwrap_err();
        assert!(!mistake.to_string().contains("hunter2"), "{mistake}");
    }
}
