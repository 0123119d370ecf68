//! Sorts the files of the tree by role. Reads only paths, and the text of a file on request.

use std::collections::BTreeMap;

use crate::policy::diagnostic::{Diagnostic, Place, Severity, nearest};
use crate::policy::files::{Files, PEOPLE, VERIFICATIONS};
use crate::policy::source;
use crate::policy::template::Source;

const README: &str = "README.md";

/// The tree by roles.
#[derive(Debug)]
pub struct Layout<'a> {
    pub files: &'a Files,
    /// Folders with a `policy.yaml`.
    pub folders: Vec<Folder<'a>>,
    /// Paths of `shared/*.rhai`.
    pub scripts: Vec<&'a str>,
    /// Template name to (language, path).
    pub templates: BTreeMap<&'a str, Vec<(&'a str, &'a str)>>,
    /// Policy files at paths where no policy is read.
    pub unread: Vec<&'a str>,
}

#[derive(Debug)]
pub struct Folder<'a> {
    pub name: &'a str,
    pub policy: &'a str,
    pub scripts: Vec<&'a str>,
    pub tests: Option<&'a str>,
}

impl<'a> Layout<'a> {
    pub fn new(files: &'a Files, diagnostics: &mut Vec<Diagnostic>) -> Self {
        let (folders, templates) = (Vec::new(), BTreeMap::new());
        let mut layout = Self { files, folders, scripts: Vec::new(), templates, unread: Vec::new() };
        let mut scripts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut tests: BTreeMap<&str, &str> = BTreeMap::new();
        for path in files.0.keys().map(String::as_str).filter(|path| !ignored(path)) {
            let parts: Vec<&str> = path.split('/').collect();
            match parts.as_slice() {
                // A README is documentation.
                [VERIFICATIONS | PEOPLE | README] | ["shared", "blocks.yaml"] | [_, README] => {}
                ["shared", file] if file.ends_with(".rhai") => layout.scripts.push(path),
                ["shared", "templates", name, file] if file.ends_with(".md") => {
                    let language = file.trim_end_matches(".md");
                    diagnostics.extend(no_language(path, language));
                    layout.templates.entry(name).or_default().push((language, path));
                }
                ["shared", "policy.yaml"] => {
                    layout.unread.push(path);
                    diagnostics.push(not_read(path, &parts));
                }
                _ if unread(&parts, files) => {
                    layout.unread.push(path);
                    diagnostics.push(not_read(path, &parts));
                }
                ["shared", ..] => unknown(path, &parts, diagnostics),
                [folder, "policy.yaml"] => {
                    layout.folders.push(Folder {
                        name: folder,
                        policy: path,
                        scripts: Vec::new(),
                        tests: None,
                    });
                }
                [folder, "tests.yaml"] => {
                    tests.insert(folder, path);
                }
                [folder, file] if file.ends_with(".rhai") => scripts.entry(folder).or_default().push(path),
                _ => unknown(path, &parts, diagnostics),
            }
        }
        for folder in &mut layout.folders {
            folder.scripts = scripts.remove(folder.name).unwrap_or_default();
            folder.tests = tests.remove(folder.name);
        }
        let unread: Vec<_> = layout.unread.iter().filter_map(|path| path.rsplit_once('/')).collect();
        for path in scripts.into_values().flatten().chain(tests.into_values()) {
            // The policy of this folder is reported already.
            if unread
                .iter()
                .any(|(folder, _)| path.rsplit_once('/').is_some_and(|(other, _)| other == *folder))
            {
                continue;
            }
            let message = "this file is in a directory without a policy.yaml";
            let found = Diagnostic::warning(start(path), "stray-file", message);
            // Tests belong beside a policy: the policy was deleted, or is missing by mistake.
            let severity = if path.ends_with("/tests.yaml") { Severity::Error } else { Severity::Warning };
            diagnostics.push(Diagnostic { severity, ..found });
        }
        layout
    }

    /// Returns the wanted mail templates, in every language.
    pub fn mails(&self, wanted: impl Fn(&str) -> bool, diagnostics: &mut Vec<Diagnostic>) -> Vec<Source> {
        let mut sources = Vec::new();
        for (name, languages) in self.templates.iter().filter(|(name, _)| wanted(name)) {
            for (language, path) in languages {
                if let Some(text) = self.text(path, diagnostics) {
                    let (name, language) = ((*name).to_owned(), (*language).to_owned());
                    sources.push(Source { name, language, path: (*path).to_owned(), text: text.to_owned() });
                }
            }
        }
        sources
    }

    /// Returns a file's text. Text that is not UTF-8 is reported.
    pub fn text(&self, path: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<&'a str> {
        let bytes = self.files.get(path)?;
        if bytes.len() > source::LARGEST_FILE {
            let message = "the file is larger than 256 KiB";
            diagnostics.push(Diagnostic::error(start(path), "too-large", message));
            return None;
        }
        let text = std::str::from_utf8(bytes).ok().filter(|text| !text.starts_with('\u{feff}'));
        let Some(text) = text else {
            let message = match bytes.starts_with(&[0xef, 0xbb, 0xbf]) {
                true => "the file starts with a byte order mark",
                false => "the file is not plain UTF-8",
            };
            let help = "save it as UTF-8 without a byte order mark";
            diagnostics.push(Diagnostic::error(start(path), "encoding", message).help(help));
            return None;
        };
        if let Some(found) = source::conflict(path, text) {
            diagnostics.push(found);
            return None;
        }
        Some(text)
    }
}

/// Returns the place of the first character of a file.
pub fn start(path: &str) -> Place {
    Place { file: path.to_owned(), line: 1, column: 1, length: 1 }
}

/// Reports whether a file is left over from an editor or version control.
fn ignored(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.') || part.ends_with('~') || part.ends_with(".swp"))
}

/// Reports whether a file is named like a policy, exactly or nearly, at a path where no policy is read. A copy beside a
/// policy that is read does not count.
fn unread(parts: &[&str], files: &Files) -> bool {
    let file = parts.last().copied().unwrap_or_default().to_ascii_lowercase();
    let named = matches!(file.as_str(), "policy.yaml" | "policy.yml" | "policy.yaml.txt");
    let yaml = file.ends_with(".yaml") || file.ends_with(".yml");
    let names_a_policy = || {
        let text = files.get(&parts.join("/")).map(|bytes| String::from_utf8_lossy(bytes));
        text.is_some_and(|text| text.lines().any(|line| line.starts_with("policy:")))
    };
    match parts {
        [_, "policy.yaml"] => false,
        [folder, _] => {
            (named || (yaml && names_a_policy())) && files.get(&format!("{folder}/policy.yaml")).is_none()
        }
        _ => named || (yaml && names_a_policy()),
    }
}

fn not_read(path: &str, parts: &[&str]) -> Diagnostic {
    let message = match parts {
        [folder, file] if *folder != "shared" => {
            format!("this policy is ignored: `{file}` is in `{folder}`, which has no policy.yaml")
        }
        _ => "this policy is ignored: it is not in a directory of its own in the policy tree".to_owned(),
    };
    let help = match parts {
        [folder, _] if *folder != "shared" => format!("rename it to {folder}/policy.yaml"),
        [.., folder, _] if *folder != "shared" => format!("move it to {folder}/policy.yaml"),
        _ => "move it to <its name>/policy.yaml".to_owned(),
    };
    Diagnostic::error(start(path), "unread-policy", message).help(help)
}

/// Language names that are often written in place of the tag.
const LANGUAGES: &[(&str, &[&str])] = &[
    ("en", &["english", "eng"]),
    ("de", &["german", "deutsch", "deu", "ger"]),
    ("fr", &["french", "francais", "fra", "fre"]),
    ("es", &["spanish", "espanol", "spa"]),
    ("it", &["italian", "italiano", "ita"]),
    ("nl", &["dutch", "nederlands", "nld", "dut"]),
    ("pt", &["portuguese", "portugues", "por"]),
    ("pl", &["polish", "polski", "pol"]),
];

/// Reports a template file whose name is not a language tag. No person's language matches it, and it is used only for
/// people without a known language.
fn no_language(path: &str, name: &str) -> Option<Diagnostic> {
    let lower = name.to_lowercase();
    let called = LANGUAGES.iter().find(|(_, names)| names.contains(&lower.as_str()));
    let mut parts = name.split('-');
    let first = parts.next().unwrap_or_default();
    let letters = (2..=3).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_alphabetic());
    let part =
        |part: &str| (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if called.is_none() && letters && parts.all(part) {
        return None;
    }
    let message = format!("`{name}` is not a language tag; the mail is never sent in this language");
    let help = match called {
        Some((tag, _)) => format!("rename it to {tag}.md"),
        None if name.contains('_') => format!("rename it to {}.md", name.replace('_', "-")),
        None => "name it by a language tag, such as en.md or de-AT.md".to_owned(),
    };
    Some(Diagnostic::warning(start(path), "no-language", message).help(help))
}

fn unknown(path: &str, parts: &[&str], diagnostics: &mut Vec<Diagnostic>) {
    let file = parts.last().copied().unwrap_or_default();
    let names: &[&str] = match parts {
        [_] => &[VERIFICATIONS, PEOPLE],
        ["shared", _] => &["blocks.yaml"],
        ["shared", ..] => &["templates/<name>/<language>.md"],
        _ => &["policy.yaml", "tests.yaml"],
    };
    let message = format!("no policy reads `{path}`");
    let help = nearest(file, names.iter().copied());
    diagnostics.push(Diagnostic::warning(start(path), "unknown-file", message).help(help));
}
