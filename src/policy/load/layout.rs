//! Which file of the tree is what. It reads nothing but paths, and text where text is wanted.

use std::collections::BTreeMap;

use crate::policy::diagnostic::{Diagnostic, Place, nearest};
use crate::policy::files::Files;
use crate::policy::source;
use crate::policy::template::Source;

pub const VERIFICATIONS: &str = "verifications.yaml";
pub const PEOPLE: &str = "people.yaml";
pub const BLOCKS: &str = "shared/blocks.yaml";
const README: &str = "README.md";

/// The tree by roles.
#[derive(Debug)]
pub struct Layout<'a> {
    pub files: &'a Files,
    /// Folders with a policy.yaml.
    pub folders: Vec<Folder<'a>>,
    /// shared/*.rhai.
    pub scripts: Vec<&'a str>,
    /// Template name to (language, path).
    pub templates: BTreeMap<&'a str, Vec<(&'a str, &'a str)>>,
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
        let mut layout = Self { files, folders: Vec::new(), scripts: Vec::new(), templates: BTreeMap::new() };
        let mut scripts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut tests: BTreeMap<&str, &str> = BTreeMap::new();
        for path in files.0.keys().map(String::as_str).filter(|path| !ignored(path)) {
            let parts: Vec<&str> = path.split('/').collect();
            match parts.as_slice() {
                // A README is for people.
                [VERIFICATIONS | PEOPLE | README] | ["shared", "blocks.yaml"] | [_, README] => {}
                ["shared", file] if file.ends_with(".rhai") => layout.scripts.push(path),
                ["shared", "templates", name, file] if file.ends_with(".md") => {
                    let language = file.trim_end_matches(".md");
                    layout.templates.entry(name).or_default().push((language, path));
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
        for path in scripts.into_values().flatten().chain(tests.into_values()) {
            let message = "this file lies in a folder without a policy.yaml";
            diagnostics.push(Diagnostic::warning(start(path), "stray-file", message));
        }
        layout
    }

    /// The mail templates that are wanted, in every language.
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

    /// A file's text. What is not UTF-8 is reported.
    pub fn text(&self, path: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<&'a str> {
        let bytes = self.files.get(path)?;
        if bytes.len() > source::LARGEST_FILE {
            let message = "the file is larger than 256 KiB";
            diagnostics.push(Diagnostic::error(start(path), "too-large", message));
            return None;
        }
        let text = std::str::from_utf8(bytes).ok().filter(|text| !text.starts_with('\u{feff}'));
        if text.is_none() {
            let message = "the file is not plain UTF-8";
            diagnostics.push(Diagnostic::error(start(path), "encoding", message).help("save it as UTF-8"));
        }
        text
    }
}

/// The first character of a file.
pub fn start(path: &str) -> Place {
    Place { file: path.to_owned(), line: 1, column: 1, length: 1 }
}

/// Files that editors and version control leave behind.
fn ignored(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.') || part.ends_with('~') || part.ends_with(".swp"))
}

fn unknown(path: &str, parts: &[&str], diagnostics: &mut Vec<Diagnostic>) {
    let file = parts.last().copied().unwrap_or_default();
    let names: &[&str] = match parts {
        [_] => &[VERIFICATIONS, PEOPLE],
        ["shared", _] => &["blocks.yaml"],
        ["shared", ..] => &["templates/<name>/<language>.md"],
        _ => &["policy.yaml", "tests.yaml"],
    };
    let message = format!("nothing reads `{path}`");
    let help = nearest(file, names.iter().copied());
    diagnostics.push(Diagnostic::warning(start(path), "unknown-file", message).help(help));
}
