//! Mails: Markdown with front matter per language, rendered to a subject, a text and an HTML part.

use super::script::Facts;
use crate::model::Timestamp;

/// Everything that a mail may mention.
#[derive(Debug, Clone, Copy)]
pub struct MailFacts<'a> {
    pub facts: Facts<'a>,
    /// The person's link, where the mail is about a step that waits for them.
    pub link: Option<&'a str>,
    /// Where an adverse end can be contested.
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

/// A template could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template {template}: {message}")]
pub struct TemplateError {
    pub template: String,
    /// Without values, so that it can be logged.
    pub message: String,
}

/// Stub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub name: String,
    pub language: String,
    pub path: String,
    pub text: String,
}

/// The templates that a policy uses, in every language that is there.
#[derive(Debug, Default)]
pub struct Templates {}

impl Templates {
    /// Stub.
    pub fn build(_sources: &[Source], _diagnostics: &mut Vec<super::Diagnostic>) -> Self {
        Self {}
    }

    /// Renders `name` in the first of `languages` that exists, then `en`, then any.
    pub fn render(
        &self,
        name: &str,
        languages: &[&str],
        facts: &MailFacts<'_>,
    ) -> Result<Rendered, TemplateError> {
        if name == "missing" {
            return Err(TemplateError {
                template: name.to_owned(),
                message: "there is no such template".to_owned(),
            });
        }
        Ok(Rendered {
            subject: name.to_owned(),
            text: format!("{} {}", facts.link.unwrap_or_default(), facts.contest_link.unwrap_or_default()),
            html: String::new(),
            language: languages.first().copied().unwrap_or("en").to_owned(),
        })
    }
}
