//! A formatted mail with its envelope. The same call gives the same text except for the date.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::SystemTime;

use data_encoding::HEXLOWER;
use lettre::address::Envelope;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use sha2::{Digest as _, Sha256};

use super::layout::Layout;
use super::mailbox::{line, safe_mailbox};
use crate::model::{Failure, Message, Timestamp};

/// The mail to deliver.
pub(super) struct Letter {
    pub(super) envelope: Envelope,
    pub(super) text: String,
}

/// The header that suppresses automatic replies, such as holiday notes and tickets.
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
    layout: &Layout,
    id: &str,
    message: &Message,
    now: Timestamp,
) -> Result<Letter, Failure> {
    let to = safe_mailbox(message.to.name.as_deref(), &message.to.email)?;
    // The mail library panics on conditions that it considers impossible; text of unknown people must not be able to
    // stop the process.
    catch_unwind(AssertUnwindSafe(|| write(from, to, layout, id, message, now)))
        .unwrap_or_else(|_| Err("the mail library failed".to_owned()))
        .map_err(|why| Failure::refused(format!("building the mail '{}' failed: {why}", message.template)))
}

fn write(
    from: &Mailbox,
    to: Mailbox,
    layout: &Layout,
    id: &str,
    message: &Message,
    now: Timestamp,
) -> Result<Letter, String> {
    let parts = MultiPart::alternative()
        .boundary(boundary(id, message))
        .singlepart(SinglePart::plain(message.text.clone()))
        .singlepart(SinglePart::html(layout.surround(message)));
    let mail = lettre::Message::builder()
        .message_id(Some(message_id(id, from)))
        .date(SystemTime::from(now))
        .from(from.clone())
        .to(to)
        .subject(line(&message.subject, 250))
        .header(AutoSubmitted)
        .multipart(parts)
        // Its errors concern missing parts, not contents.
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8(mail.formatted()).map_err(|_| "it is not UTF-8".to_owned())?;
    Ok(Letter { envelope: mail.envelope().clone(), text })
}

/// Returns the Message-ID, which is the same for every attempt of a call.
fn message_id(id: &str, from: &Mailbox) -> String {
    let id: String = id
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '-' })
        .collect();
    format!("<{id}@{}>", from.email.domain())
}

/// Returns a boundary that is derived from the contents: no text can contain it on purpose, and attempts do not differ.
fn boundary(id: &str, message: &Message) -> String {
    let mut hash = Sha256::new();
    for part in [id, &message.text, &message.html] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    HEXLOWER.encode(&hash.finalize()[..16])
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::{any, prop_oneof, proptest};
    use proptest::strategy::Strategy;

    use super::*;
    use crate::model::Address;

    fn message(name: Option<&str>, email: &str, subject: &str, body: &str) -> Message {
        Message {
            to: Address { name: name.map(str::to_owned), email: email.to_owned() },
            subject: subject.to_owned(),
            text: body.to_owned(),
            html: body.to_owned(),
            template: "invitation".to_owned(),
            language: "en".to_owned(),
        }
    }

    fn written(id: &str, message: &Message) -> Result<Letter, Failure> {
        let from = super::super::mailbox::sender("Example <idv@example.com>").unwrap();
        let now = DateTime::parse_from_rfc3339("2026-01-15T10:00:00Z").unwrap().to_utc();
        letter(&from, &Layout::default(), id, message, now)
    }

    /// Returns the mail's own headers, unfolded.
    fn headers(letter: &Letter) -> Vec<(String, String)> {
        let text = letter.text.clone();
        let (head, _body) = text.split_once("\r\n\r\n").unwrap();
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        unfolded
            .split("\r\n")
            .map(|line| {
                assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
                let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?}"));
                (name.to_owned(), value.to_owned())
            })
            .collect()
    }

    fn value<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
        let mut found = headers.iter().filter(|(found, _)| found == name);
        let value = &found.next().unwrap_or_else(|| panic!("no {name}")).1;
        assert!(found.next().is_none(), "{name} twice");
        value
    }

    #[test]
    fn a_mail_has_its_headers_and_body() {
        let message = message(Some("Zoë Example"), "zoe@example.com", "Grüße", "Hello,\n.\nworld\n");
        let letter = written("case-1.2", &message).unwrap();
        let headers = headers(&letter);
        for (name, expected) in [
            ("Message-ID", "<case-1.2@example.com>"),
            ("Date", "Thu, 15 Jan 2026 10:00:00 +0000"),
            ("From", "Example <idv@example.com>"),
            ("Auto-Submitted", "auto-generated"),
            ("Subject", "=?utf-8?b?R3LDvMOfZQ==?="),
            ("MIME-Version", "1.0"),
        ] {
            assert_eq!(value(&headers, name), expected);
        }
        assert!(value(&headers, "To").ends_with("<zoe@example.com>"));
        assert!(value(&headers, "Content-Type").starts_with("multipart/alternative; boundary="));
        let text = letter.text.clone();
        assert!(text.find("text/plain").unwrap() < text.find("text/html").unwrap());
        let to: Vec<String> = letter.envelope.to().iter().map(ToString::to_string).collect();
        assert_eq!(to, ["zoe@example.com"]);
        assert_eq!(letter.envelope.from().unwrap().to_string(), "idv@example.com");
        assert_eq!(written("case-1.2", &message).unwrap().text, letter.text, "every attempt is the same");
        assert_ne!(written("case-1.3", &message).unwrap().text, letter.text);
    }

    #[test]
    fn the_message_id_is_escaped() {
        let message = message(None, "zoe@example.com", "s", "b");
        let headers = headers(&written("a b>\r\nBcc: x@y.z\u{e4}.2", &message).unwrap());
        assert_eq!(value(&headers, "Message-ID"), "<a-b---Bcc--x-y.z-.2@example.com>");
    }

    #[test]
    fn invalid_addresses_are_refused_and_not_echoed() {
        for email in [
            "",
            "@",
            "zoe",
            "zoe@",
            "@example.com",
            "zoe@example.com\r\nBcc: eve@example.com",
            "zoe@example.com, eve@example.com",
            "Zoe <zoe@example.com>",
            "zoe\0@example.com",
            "zoe @example.com",
            "zoe@exam\u{202e}ple.com",
            "zoe@example..com",
            "zoe@[evil]",
            &format!("{}@example.com", "z".repeat(300)),
        ] {
            let failure = written("case-1.2", &message(None, email, "s", "b")).map(|_| ()).unwrap_err();
            assert_eq!(failure.kind, crate::model::FailureKind::Refused, "{email}");
            assert!(!failure.reason.contains("zoe"), "{}", failure.reason);
        }
        let letter = written("case-1.2", &message(None, " zoe@ex\u{e4}mple.com ", "s", "b")).unwrap();
        assert_eq!(letter.envelope.to()[0].to_string(), "zoe@xn--exmple-cua.com");
    }

    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            any::<String>(),
            "[\\x00-\\x20<>\",;:@\\\\()\\[\\].=?]{0,20}",
            "\r\nBcc: eve@example\\.com(\r\n\r\n)?",
            "[\u{202a}-\u{202e}\u{2066}-\u{2069}\u{feff}\u{2028}a-z]{0,8}",
            "=\\?utf-8\\?b\\?[A-Za-z0-9]{4}\\?=",
            "[a-zä-ü ]{0,300}",
        ];
        proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        /// For any input: no panic, no unintended header, one recipient.
        #[test]
        fn arbitrary_text_adds_no_header(
            name in hostile(), subject in hostile(), body in hostile(), id in hostile(),
        ) {
            let message = message(Some(&name), "zoe@example.com", &subject, &body);
            let letter = written(&id, &message).unwrap();
            let headers = headers(&letter);
            let mut names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            assert_eq!(names, [
                "Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To",
            ]);
            assert_eq!(letter.envelope.to().len(), 1);
            let to = value(&headers, "To");
            assert!(to == "zoe@example.com" || to.ends_with("<zoe@example.com>"), "{to}");
        }

        #[test]
        fn arbitrary_addresses_are_valid_or_refused(name in hostile(), email in hostile()) {
            if let Ok(mailbox) = safe_mailbox(Some(&name), &email) {
                assert!(!mailbox.email.to_string().contains(['\r', '\n', '\0', '<', '>', ' ']));
                let shown = mailbox.name.unwrap_or_default();
                assert!(shown.chars().count() <= 200 && !shown.chars().any(char::is_control));
            }
        }
    }
}
