//! Compiles template files to templates, and reports every error in them.

use std::sync::LazyLock;

use chrono::NaiveDate;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value};

use super::walk::{self, Names};
use super::{LINKS, Templates, escape};
use crate::model::{SubjectKind, Timestamp};
use crate::policy::diagnostic::{Diagnostic, Place, Severity};
use crate::policy::schema;
use crate::policy::script::Shape;
use crate::policy::source;

/// One template file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub name: String,
    pub language: String,
    pub path: String,
    pub text: String,
}

impl Templates {
    /// Builds the templates. Those without an error can be rendered; errors are reported.
    pub fn build(sources: &[Source], diagnostics: &mut Vec<Diagnostic>) -> Self {
        let mut templates = Self::default();
        if !sources.is_empty() {
            templates.environment = Some(Box::new(environment()));
        }
        for source in sources {
            templates.add(source, diagnostics);
        }
        templates
    }

    fn add(&mut self, source: &Source, diagnostics: &mut Vec<Diagnostic>) {
        // `at`: texts to search in the line, for the exact place.
        let mut report = |line: usize, at: &[&str], code, message: String, help: Option<String>| {
            let (column, length) = within(&source.text, line, at);
            let place = Place { file: source.path.clone(), line, column, length };
            diagnostics.push(Diagnostic {
                place,
                severity: Severity::Error,
                code,
                message,
                help,
                policy: None,
            });
        };
        let Some((front, body, first)) = split(&source.text) else {
            let help = "start with a line ---, then subject: ..., then a line ---".to_owned();
            report(1, &[], "no-subject", "the template has no front matter".to_owned(), Some(help));
            return;
        };
        let (subject, line) = match subject(&source.path, front) {
            Ok(found) => found,
            Err(mistakes) => return diagnostics.extend(mistakes),
        };
        for (part, text, offset) in [("subject", subject, line), ("body", body.to_owned(), first)] {
            let file = format!("{}/{}#{part}", source.name, source.language);
            let environment = self.environment.get_or_insert_with(|| Box::new(environment()));
            if let Err(error) = environment.add_template_owned(file.clone(), text.clone()) {
                let line = offset + error.line().unwrap_or(1).saturating_sub(1);
                let why = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
                report(line, &["{%", "{{"], "bad-template", format!("invalid template: {why}"), None);
                return;
            }
            self.lines.insert(file, offset);
        }
        self.look(source, &Names::of_any(), diagnostics);
        self.languages.entry(source.name.clone()).or_default().push(source.language.clone());
    }
}

/// Returns subject and body, each with its first line in the file.
fn parts(source: &Source) -> Option<[(&'static str, String, usize); 2]> {
    let (front, body, first) = split(&source.text)?;
    let (subject, line) = subject(&source.path, front).ok()?;
    Some([("subject", subject, line), ("body", body.to_owned(), first)])
}

impl Templates {
    /// Checks the names that a template uses against the names of one policy.
    pub(in crate::policy) fn look(&self, source: &Source, names: &Names, diagnostics: &mut Vec<Diagnostic>) {
        for (part, text, offset) in parts(source).into_iter().flatten() {
            for found in walk::look(&text, names, self.environment()) {
                let line = offset + found.line - 1;
                let mut place =
                    Place { file: source.path.clone(), line, column: found.column, length: found.length };
                if part == "subject" {
                    // The subject follows the key, and may be in quotes.
                    let whole = source.text.split('\n').nth(line - 1).unwrap_or_default();
                    let before = text.split('\n').nth(found.line - 1).unwrap_or_default();
                    let shift = whole.find(before).and_then(|at| whole.get(..at));
                    place.column += shift.map_or(0, |before| before.chars().count());
                }
                let severity = found.severity;
                let diagnostic =
                    Diagnostic { severity, ..Diagnostic::error(place, found.code, found.message) };
                diagnostics.push(diagnostic.help(found.help));
            }
        }
    }
}

impl Names {
    /// Returns the names that mails of any policy can use.
    fn of_any() -> Self {
        let mut roots = vec![
            ("event", Shape::of_fields(&schema::fields_of_any_event())),
            ("this_case", Shape::of_fields(schema::THIS_CASE)),
            ("settings", Shape::Any),
            ("steps", Shape::Any),
            ("organization", Shape::Text),
        ];
        roots.extend(LINKS.map(|name| (name, Shape::Text)));
        roots.extend(
            SubjectKind::ALL.map(|kind| (kind.word(), Shape::of_fields(schema::fields_of_subject(kind)))),
        );
        Self { roots, missing: Vec::new(), sometimes: Vec::new() }
    }
}

/// Returns the subject from the front matter with its line, or its errors. Front matter begins in the second line.
fn subject(path: &str, front: &str) -> Result<(String, usize), Vec<Diagnostic>> {
    let wrong = |place: Place, message: &str| {
        let help = "write one key: subject";
        Diagnostic::error(place, "no-subject", format!("invalid front matter: {message}")).help(help)
    };
    let start = Place { file: path.to_owned(), line: 1, column: 1, length: 1 };
    let mut mistakes = Vec::new();
    let node = match front.trim() {
        "" => None,
        _ => source::read(path, front.as_bytes(), &mut mistakes),
    };
    let entry = node.as_ref().and_then(|node| node.entry("subject"));
    let found = entry.and_then(|(key, value)| Some((value.scalar()?.text.clone(), key.place.line + 1)));
    let others = node.iter().flat_map(|node| node.map().unwrap_or_default());
    for (key, _) in others.filter(|(key, _)| key.name != "subject") {
        mistakes.push(wrong(key.place.clone(), &format!("unknown key `{}`", key.name)));
    }
    if mistakes.is_empty() {
        match (found, entry) {
            (Some((text, line)), _) if !text.trim().is_empty() => return Ok((text, line)),
            (Some(_), Some((key, _))) => {
                mistakes.push(Diagnostic::error(key.place.clone(), "no-subject", "the subject is empty"));
            }
            (_, Some((key, _))) => mistakes.push(wrong(key.place.clone(), "the subject must be a text")),
            (_, None) => mistakes.push(wrong(start, "`subject` is missing")),
        }
    }
    for mistake in &mut mistakes {
        mistake.place.line += 1;
    }
    Err(mistakes)
}

/// Returns the column and length of the first of some signs in a line; the line's beginning if none occurs.
fn within(text: &str, line: usize, signs: &[&str]) -> (usize, usize) {
    let line = text.split('\n').nth(line.saturating_sub(1)).unwrap_or_default();
    let found = signs.iter().filter_map(|sign| Some((line.find(sign)?, *sign))).min();
    let Some((at, sign)) = found else { return (1, 1) };
    let before = line.get(..at).unwrap_or_default();
    (before.chars().count() + 1, sign.chars().count().max(1))
}

/// Splits the text into front matter, body, and the line at which the body begins.
fn split(text: &str) -> Option<(&str, &str, usize)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let rest = text.strip_prefix("---\n").or_else(|| text.strip_prefix("---\r\n"))?;
    let mut at = 0;
    for (number, line) in rest.split_inclusive('\n').enumerate() {
        if line.trim_end() == "---" {
            return Some((rest.get(..at)?, rest.get(at + line.len()..)?, number + 3));
        }
        at += line.len();
    }
    None
}

/// The environment without templates.
pub(super) static BARE: LazyLock<Environment<'static>> = LazyLock::new(environment);

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // A condition may test whether a value exists; showing a missing value is an error.
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(20_000));
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::Html);
    environment.set_formatter(show);
    // These would mark a value as markup.
    for filter in ["safe", "escape", "e", "tojson", "urlencode", "pprint"] {
        environment.remove_filter(filter);
    }
    environment.remove_global("debug");
    environment.add_filter("date", |text: &str| match text.parse::<NaiveDate>() {
        Ok(date) => Ok(date.to_string()),
        Err(_) => formatted(text, "%Y-%m-%d UTC"),
    });
    environment.add_filter("datetime", |text: &str| formatted(text, "%Y-%m-%d %H:%M UTC"));
    environment
}

fn formatted(text: &str, format: &str) -> Result<String, Error> {
    let time: Timestamp =
        text.parse().map_err(|_| Error::new(ErrorKind::InvalidOperation, "this is not a time"))?;
    Ok(time.format(format).to_string())
}

/// Writes a value. Every value is escaped for its part; only proofd's own links are markup.
fn show(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let failed = |_| Error::new(ErrorKind::WriteFailure, "the template has no place for the text");
    let subject = state.name().ends_with("#subject");
    match value.kind() {
        ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::None => return Ok(()),
        _ => {}
    }
    let text = value.to_string();
    let shown = match (subject, value.is_safe() || is_chosen(state, &text)) {
        (true, true) => escape::one_line(&text),
        (true, false) => escape::typed_line(&text),
        (false, true) if value.is_safe() => text,
        (false, true) => escape::markdown(&text),
        (false, false) => escape::typed_markdown(&text),
    };
    out.write_str(&shown).map_err(failed)
}

/// Reports whether an administrator chose a text: the organization's name, or a value in the policy's settings.
fn is_chosen(state: &State<'_, '_>, text: &str) -> bool {
    fn stands_in(value: &Value, text: &str) -> bool {
        match value.kind() {
            ValueKind::String => value.as_str() == Some(text),
            ValueKind::Seq => {
                value.try_iter().is_ok_and(|mut items| items.any(|item| stands_in(&item, text)))
            }
            ValueKind::Map => value.try_iter().is_ok_and(|mut names| {
                names.any(|name| value.get_item(&name).is_ok_and(|item| stands_in(&item, text)))
            }),
            _ => false,
        }
    }
    ["organization", "settings"]
        .iter()
        .any(|root| state.lookup(root).is_some_and(|root| stands_in(&root, text)))
}
