//! Template files to templates, with every mistake in them.

use chrono::NaiveDate;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value};

use super::{Templates, escape};
use crate::model::{SubjectKind, Timestamp};
use crate::policy::diagnostic::{Diagnostic, Place, Severity};
use crate::policy::schema;
use crate::policy::script::check::nearest;
use crate::policy::source;

/// One template file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub name: String,
    pub language: String,
    pub path: String,
    pub text: String,
}

const ROOTS: [&str; 11] = [
    "link",
    "contest_link",
    "deadline",
    "this_case",
    "registration",
    "user",
    "applicant",
    "event",
    "settings",
    "steps",
    "organization",
];

impl Templates {
    /// Templates without a mistake can be rendered; the others are reported.
    pub fn build(sources: &[Source], diagnostics: &mut Vec<Diagnostic>) -> Self {
        let mut templates = Self { environment: environment(), ..Self::default() };
        for source in sources {
            templates.add(source, diagnostics);
        }
        templates
    }

    fn add(&mut self, source: &Source, diagnostics: &mut Vec<Diagnostic>) {
        // `at`: what stands at the place, in its line.
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
            let help = "begin with a line ---, then subject: ..., then a line ---".to_owned();
            report(1, &[], "no-subject", "the template has no front matter".to_owned(), Some(help));
            return;
        };
        let (subject, line) = match subject(&source.path, front) {
            Ok(found) => found,
            Err(mistakes) => return diagnostics.extend(mistakes),
        };
        for (part, text, offset) in [("subject", subject, line), ("body", body.to_owned(), first)] {
            let file = format!("{}/{}#{part}", source.name, source.language);
            if let Err(error) = self.environment.add_template_owned(file.clone(), text.clone()) {
                let line = offset + error.line().unwrap_or(1).saturating_sub(1);
                let why = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
                report(
                    line,
                    &["{%", "{{"],
                    "bad-template",
                    format!("the template cannot be read: {why}"),
                    None,
                );
                return;
            }
            let Ok(template) = self.environment.get_template(&file) else { return };
            let mut names: Vec<_> = template.undeclared_variables(true).into_iter().collect();
            names.sort();
            for name in names {
                if let Some((message, help)) = unknown(&name) {
                    let before = text.find(&name).and_then(|at| text.get(..at)).unwrap_or_default();
                    let line = offset + before.matches('\n').count();
                    report(line, &[&name], "unknown-variable", message, help);
                }
            }
        }
        self.languages.entry(source.name.clone()).or_default().push(source.language.clone());
    }
}

/// The subject that front matter gives and its line, or what is wrong with it. It begins in the file's second line.
fn subject(path: &str, front: &str) -> Result<(String, usize), Vec<Diagnostic>> {
    let wrong = |place: Place, message: &str| {
        let help = "it has one key: subject";
        Diagnostic::error(place, "no-subject", format!("the front matter is not right: {message}")).help(help)
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
        mistakes.push(wrong(key.place.clone(), &format!("`{}` is not known", key.name)));
    }
    if mistakes.is_empty() {
        match (found, entry) {
            (Some((text, line)), _) if !text.trim().is_empty() => return Ok((text, line)),
            (Some(_), Some((key, _))) => {
                mistakes.push(Diagnostic::error(key.place.clone(), "no-subject", "the subject is empty"));
            }
            (_, Some((key, _))) => mistakes.push(wrong(key.place.clone(), "the subject is a text")),
            (_, None) => mistakes.push(wrong(start, "`subject` is missing")),
        }
    }
    for mistake in &mut mistakes {
        mistake.place.line += 1;
    }
    Err(mistakes)
}

/// Where the first of some signs stands in a line, and how long it is; the line's beginning if none does.
fn within(text: &str, line: usize, signs: &[&str]) -> (usize, usize) {
    let line = text.split('\n').nth(line.saturating_sub(1)).unwrap_or_default();
    let found = signs.iter().filter_map(|sign| Some((line.find(sign)?, *sign))).min();
    let Some((at, sign)) = found else { return (1, 1) };
    let before = line.get(..at).unwrap_or_default();
    (before.chars().count() + 1, sign.chars().count().max(1))
}

/// Front matter, body, and the line at which the body begins.
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

fn unknown(name: &str) -> Option<(String, Option<String>)> {
    let mut words = name.split('.');
    let root = words.next().unwrap_or(name);
    let suggest = |near: Option<&str>, all: &[&str]| {
        Some(near.map_or_else(
            || format!("there are: {}", all.join(", ")),
            |near| format!("did you mean `{near}`?"),
        ))
    };
    if matches!(root, "range" | "dict" | "namespace" | "debug") {
        return None;
    }
    if !ROOTS.contains(&root) {
        return Some((format!("`{root}` is not known in mails"), suggest(nearest(root, ROOTS), &ROOTS)));
    }
    let field = words.next()?;
    let fields: Vec<&str> = match root {
        "event" => schema::fields_of_any_event().iter().map(|field| field.name).collect(),
        "this_case" => schema::THIS_CASE.iter().map(|field| field.name).collect(),
        _ => {
            let kind = SubjectKind::ALL.into_iter().find(|kind| kind.word() == root)?;
            schema::fields_of_subject(kind).iter().map(|field| field.name).collect()
        }
    };
    let near = suggest(nearest(field, fields.iter().copied()), &fields);
    (!fields.contains(&field)).then(|| (format!("`{root}` has no field `{field}`"), near))
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // A condition may ask whether something is there; showing what is not is an error.
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

/// Writes a value. Every value is escaped for its part; only our own links are markup.
fn show(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let failed = |_| Error::new(ErrorKind::WriteFailure, "no place for the text");
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

/// Whether an administrator chose a text: it is the organization's name or stands in the policy's settings.
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
