//! Mails: Markdown with front matter per language, rendered to a subject, a text part and an HTML part. Must not know
//! mail servers and recipients.

mod build;
mod escape;
mod parts;
mod shown;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use minijinja::Environment;
use minijinja::value::{Serde, Value};
use serde_json::json;

pub use build::Source;
pub(super) use walk::{Absent, Names};

use super::script::Facts;
use crate::model::{Event, Timestamp};

/// The values that a mail may mention.
#[derive(Debug, Clone, Copy)]
pub struct MailFacts<'a> {
    pub facts: Facts<'a>,
    /// The person's link, if the mail is about a step that waits for the person.
    pub link: Option<&'a str>,
    /// The objection link for an adverse end.
    pub contest_link: Option<&'a str>,
    pub deadline: Option<Timestamp>,
    pub organization: &'a str,
}

/// A rendered mail without its recipient.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: String,
    pub language: String,
}

/// Mails contain names and links: only the language is shown.
impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rendered({})", self.language)
    }
}

/// A template could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template {template}: {message}")]
pub struct TemplateError {
    pub template: String,
    /// Contains no values, and can therefore be logged.
    pub message: String,
}

/// Names that only some mails have.
pub(super) const LINKS: [&str; 3] = ["link", "contest_link", "deadline"];

/// The templates that a policy uses, in every available language.
#[derive(Default)]
pub struct Templates {
    /// `None` without templates: an environment has dozens of filters.
    environment: Option<Box<Environment<'static>>>,
    /// Name to its languages, lower case.
    languages: BTreeMap<String, Vec<String>>,
    /// The first line of each part in its file.
    lines: BTreeMap<String, usize>,
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Templates").field(&self.languages).finish()
    }
}

impl Templates {
    fn environment(&self) -> &Environment<'static> {
        self.environment.as_deref().unwrap_or(&build::BARE)
    }

    pub fn has(&self, name: &str) -> bool {
        self.languages.contains_key(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.languages.keys().map(String::as_str)
    }

    /// Returns the languages in which a mail is available.
    pub fn languages(&self, name: &str) -> &[String] {
        self.languages.get(name).map_or(&[], Vec::as_slice)
    }

    /// Reports whether the mail uses a name such as `link` in a language; false for a missing mail.
    pub fn uses_variable(&self, name: &str, language: &str, word: &str) -> bool {
        ["subject", "body"].iter().any(|part| {
            let template = self.environment().get_template(&format!("{name}/{language}#{part}"));
            template.is_ok_and(|template| template.undeclared_variables(false).contains(word))
        })
    }

    /// Reports whether a mail shows a link such as `contest_link` in every language for all facts: outside of comments
    /// and of conditions about other values. False for a missing mail.
    pub fn always_shows(&self, name: &str, word: &str) -> bool {
        let languages = self.languages(name);
        let body = |language: &String| self.environment().get_template(&format!("{name}/{language}#body"));
        !languages.is_empty()
            && languages.iter().all(|tag| body(tag).is_ok_and(|body| shown::always(body.source(), word)))
    }

    /// Returns the hosts of literal URLs in the mails.
    pub fn addresses(&self) -> BTreeSet<String> {
        let texts = self.environment().templates().map(|(_, template)| template.source().to_owned());
        texts.flat_map(|text| shown::hosts(&text)).collect()
    }

    /// Renders `name` in the first of `languages` that exists (`de` serves `de-AT`), then `en`, then any.
    pub fn render(
        &self,
        name: &str,
        languages: &[&str],
        facts: &MailFacts<'_>,
    ) -> Result<Rendered, TemplateError> {
        let fail = |message: String| TemplateError { template: name.to_owned(), message };
        let there = self.languages.get(name).ok_or_else(|| fail("unknown template".to_owned()))?;
        let language = choose(there, languages).ok_or_else(|| fail("it has no language".to_owned()))?;
        let context = context(facts);
        let part = |part: &str| {
            let file = format!("{name}/{language}#{part}");
            let rendered = self.environment().get_template(&file).and_then(|t| t.render(&context));
            rendered.map_err(|error| fail(self.why(&error, &file, part, language)))
        };
        let subject: String = escape::one_line(&part("subject")?).chars().take(200).collect();
        let body = part("body")?;
        Ok(Rendered {
            subject,
            text: parts::text(&body),
            html: parts::html(&body),
            language: language.to_owned(),
        })
    }
}

impl Templates {
    /// Explains an error by its kind, its line and the template's text. The engine's details can contain values.
    fn why(&self, error: &minijinja::Error, file: &str, part: &str, language: &str) -> String {
        let first = self.lines.get(file).copied().unwrap_or(1);
        let line = first + error.line().unwrap_or(1).saturating_sub(1);
        let written = error.range().and_then(|range| braced(error.template_source()?, range.start));
        let written = written.map(|text| format!(": `{text}`")).unwrap_or_default();
        let why = match error.kind() {
            minijinja::ErrorKind::UndefinedError => {
                "is missing; check it with `if`, or add a default with `or`".to_owned()
            }
            kind => format!("failed: {kind}; a value in it may be missing"),
        };
        format!("{part} of {language}, line {line}{written} {why}")
    }
}

/// Returns the text in the braces around a position.
fn braced(source: &str, at: usize) -> Option<&str> {
    let before = source.get(..at)?;
    let open = before.rfind("{{").max(before.rfind("{%"))? + 2;
    let inside = source.get(open..)?;
    let close = [inside.find("}}"), inside.find("%}")].into_iter().flatten().min()?;
    Some(inside.get(..close)?.trim().trim_matches('-').trim())
}

fn choose<'a>(there: &'a [String], wanted: &[&str]) -> Option<&'a str> {
    let find = |tag: &str| there.iter().find(|have| have.eq_ignore_ascii_case(tag)).map(String::as_str);
    let tagged = wanted.iter().copied().chain(["en"]).find_map(|tag| {
        let tag = tag.replace('_', "-");
        let mut tag = tag.as_str();
        loop {
            if let Some(found) = find(tag) {
                return Some(found);
            }
            tag = tag.rsplit_once('-')?.0;
        }
    });
    tagged.or_else(|| there.first().map(String::as_str))
}

fn context(mail: &MailFacts<'_>) -> BTreeMap<&'static str, Value> {
    let facts = &mail.facts;
    let mut context = BTreeMap::new();
    // Missing values stay undefined: a mail that shows one is an error, and not a mail with a gap.
    for (name, url) in [("link", mail.link), ("contest_link", mail.contest_link)] {
        if let Some(url) = url {
            context.insert(name, Value::from_safe_string(escape::link(url)));
        }
    }
    if let Some(deadline) = mail.deadline {
        context.insert("deadline", Value::from(deadline.to_rfc3339()));
    }
    context.insert("organization", Value::from(mail.organization));
    context.insert("event", facts.event.map_or_else(|| Value::from(Serde(json!({}))), event));
    context.insert(facts.subject.kind.word(), Value::from(Serde(&facts.subject.fields)));
    context.insert("settings", Value::from(Serde(facts.settings)));
    context.insert("steps", Value::from(Serde(facts.steps)));
    context.insert("this_case", Value::from(Serde(facts.this_case)));
    context
}

fn event(event: &Event) -> Value {
    let mut fields = event.fields.clone();
    let own = json!({
        "id": event.key, "type": event.kind, "source": event.source, "time": event.time,
        "subject_id": event.subject.id, "actor": event.actor, "ip": event.ip,
    });
    if let serde_json::Value::Object(own) = own {
        fields.extend(own);
    }
    Value::from(Serde(fields))
}
