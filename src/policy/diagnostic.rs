//! A diagnostic of a file: the place, what is wrong, and how to fix it.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use serde::{Serialize, Serializer};

use super::codes;
use super::files::Files;

pub use crate::yaml::Place;

/// Severity of a diagnostic. Errors keep a policy from running; warnings do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Error,
    Warning,
}

/// One error or warning.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Diagnostic {
    pub place: Place,
    pub severity: Severity,
    /// A stable word for the kind of error, such as `unknown-key`. It is serialized as `word`, beside its number as
    /// `code`. SARIF, editors and `explain-code` use the same number.
    #[serde(flatten, serialize_with = "with_number")]
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// How to fix it, with the nearest valid name if there is one.
    pub help: Option<String>,
    /// The policy that cannot run because of this error. None for an error in a shared file: the policies that use
    /// the broken part get diagnostics of their own.
    pub policy: Option<String>,
}

fn with_number<S: Serializer>(code: &&'static str, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Numbered {
        code: &'static str,
        word: &'static str,
    }
    Numbered { code: codes::number(code), word: code }.serialize(to)
}

impl Diagnostic {
    pub fn error(place: Place, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { place, severity: Severity::Error, code, message, help: None, policy: None }
    }

    pub fn warning(place: Place, code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(place, code, message) }
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    #[must_use]
    pub fn of_policy(mut self, policy: &str) -> Self {
        self.policy = Some(policy.to_owned());
        self
    }
}

/// Reports a link in the tree whose target does not exist. Its content is not read, and no other check reports it.
pub fn dangling(path: &str) -> Diagnostic {
    let place = Place { file: path.replace('\\', "/"), line: 1, column: 1, length: 1 };
    let message = "broken link: its target does not exist";
    Diagnostic::error(place, "dangling-link", message).help("replace the link by the file, or remove it")
}

/// The maximum number of names that a help text lists.
const MOST_NAMES: usize = 32;

/// Returns `did you mean x?` if one of the names is near, or the list of names.
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let distance = |name: &&str| strsim::damerau_levenshtein(wrong, name);
    let near =
        names.iter().min_by_key(|name| distance(name)).filter(|name| distance(name) <= 1 + wrong.len() / 3);
    match near {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "there are none".to_owned(),
        // A list longer than this does not help the reader.
        None if names.len() > MOST_NAMES => {
            format!("none of the {} known names is similar", names.len())
        }
        None => format!("known: {}", names.join(", ")),
    }
}

/// The code of an error that only follows from another error.
pub const FOLLOWS: &str = "broken-name";

/// Sorts diagnostics: causes first, errors that follow from others last; otherwise by place.
pub fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by(|one, other| rank(one).cmp(&rank(other)).then_with(|| one.cmp(other)));
}

fn rank(diagnostic: &Diagnostic) -> u8 {
    match diagnostic.code {
        "merge-conflict" | "encoding" => 0,
        FOLLOWS => 2,
        _ => 1,
    }
}

/// Returns the diagnostics in the order of `sort`, each error of a shared file once, however many policies it affects.
pub fn once(diagnostics: &[Diagnostic]) -> Vec<&Diagnostic> {
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    sorted.sort_by(|one, other| rank(one).cmp(&rank(other)).then_with(|| one.cmp(other)));
    sorted.dedup_by(|a, b| a.place == b.place && a.code == b.code && a.message == b.message);
    sorted
}

/// Renders diagnostics as text: file, line, column, the source line with a caret, and the help.
pub fn render(diagnostics: &[Diagnostic], files: &Files, color: bool) -> String {
    render_below("", diagnostics, files, color)
}

/// Renders diagnostics with paths below a directory, as the reader named it: a terminal opens them.
pub fn render_below(dir: &str, diagnostics: &[Diagnostic], files: &Files, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut shown = String::new();
    for diagnostic in once(diagnostics) {
        let text = files.get(&diagnostic.place.file).map(|bytes| String::from_utf8_lossy(bytes));
        let path = below(dir, &diagnostic.place.file);
        shown.push_str(&renderer.render(&report(diagnostic, &path, text.as_deref().unwrap_or_default())));
        shown.push_str("\n\n");
    }
    shown
}

/// The path of a file below a directory.
pub fn below(dir: &str, file: &str) -> String {
    match dir.trim_end_matches('/') {
        "" if dir.is_empty() => file.to_owned(),
        dir => format!("{dir}/{file}"),
    }
}

fn report<'a>(diagnostic: &'a Diagnostic, path: &'a str, text: &'a str) -> Vec<Group<'a>> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let place = &diagnostic.place;
    // One line is enough context. A whole long file would be laid out again for every diagnostic.
    let line = text.split('\n').nth(place.line.saturating_sub(1)).unwrap_or_default().trim_end_matches('\r');
    let offset = |chars: usize| line.char_indices().nth(chars).map_or(line.len(), |(at, _)| at);
    let start = offset(place.column.saturating_sub(1));
    let end = offset(place.column.saturating_sub(1) + place.length.max(1)).max(start);
    let source = Snippet::source(line).line_start(place.line).path(path);
    let source = source.annotation(AnnotationKind::Primary.span(start..end));
    let id = format!("{} {}", codes::number(diagnostic.code), diagnostic.code);
    let mut group = level.primary_title(&diagnostic.message).id(id).element(source);
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help));
    }
    vec![group]
}
