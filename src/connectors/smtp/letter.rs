//! A mail as bytes with its envelope. The same call makes the same bytes but for the date.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::SystemTime;

use lettre::address::Envelope;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use sha2::{Digest as _, Sha256};

use super::mailbox::{line, safe_mailbox};
use crate::model::{Failure, Message, Timestamp};

/// What is handed over.
pub(super) struct Letter {
    pub(super) envelope: Envelope,
    pub(super) bytes: Vec<u8>,
}

/// Tells other programs not to answer: no holiday notes, no tickets.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

pub(super) fn letter(
    from: &Mailbox,
    id: &str,
    message: &Message,
    now: Timestamp,
) -> Result<Letter, Failure> {
    let to = safe_mailbox(message.to.name.as_deref(), &message.to.email)?;
    // The mail library panics where it believes that something cannot happen; strangers' text must not be
    // able to prove it wrong at the cost of the process.
    catch_unwind(AssertUnwindSafe(|| write(from, to, id, message, now)))
        .unwrap_or_else(|_| Err("the mail library failed on it".to_owned()))
        .map_err(|why| Failure::refused(format!("the mail '{}' cannot be built: {why}", message.template)))
}

fn write(
    from: &Mailbox,
    to: Mailbox,
    id: &str,
    message: &Message,
    now: Timestamp,
) -> Result<Letter, String> {
    let parts = MultiPart::alternative()
        .boundary(boundary(id, message))
        .singlepart(SinglePart::plain(message.text.clone()))
        .singlepart(SinglePart::html(message.html.clone()));
    let mail = lettre::Message::builder()
        .message_id(Some(message_id(id, from)))
        .date(SystemTime::from(now))
        .from(from.clone())
        .to(to)
        .subject(line(&message.subject, 250))
        .header(AutoSubmitted)
        .multipart(parts)
        // Its errors are about missing parts, not about contents.
        .map_err(|error| error.to_string())?;
    Ok(Letter { envelope: mail.envelope().clone(), bytes: mail.formatted() })
}

/// The same for every attempt of a call.
fn message_id(id: &str, from: &Mailbox) -> String {
    let id: String = id
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '-' })
        .collect();
    format!("<{id}@{}>", from.email.domain())
}

/// Fixed by the contents, so that no text can contain it on purpose and attempts do not differ.
fn boundary(id: &str, message: &Message) -> String {
    let mut hash = Sha256::new();
    for part in [id, &message.text, &message.html] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    let digest: Vec<String> = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    digest.concat()
}
