//! A mailbox that accepts every mail: an SMTP sink with a web interface, for tests, the demo and the command
//! line. This module must not know the senders.

mod mime;
mod smtp;
mod web;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ledger::{Ledger, Record, System};
use crate::model::{Clock, Timestamp};

/// One received mail for one recipient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mail {
    pub to: String,
    pub from: String,
    pub subject: String,
    pub message_id: String,
    pub text: String,
    pub html: String,
    /// In the order of the mail, unfolded and decoded.
    pub headers: Vec<(String, String)>,
    pub received_at: Timestamp,
    pub links: Vec<String>,
    /// Whether the sender received the 250; if not, it may send the mail again.
    pub acknowledged: bool,
}

/// Deviations of the mailbox from a well-behaved one. `PUT /_sim/knobs` replaces the whole set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// Temporary answers, used in this order.
    pub temporary: Vec<Temporary>,
    /// Recipients whose address contains one of these are refused with 550.
    pub refuse: Vec<String>,
    /// Number of mails that are kept without sending their 250.
    pub drop_after_data: u32,
    /// Number of connections that are closed in the middle of a mail, which is then not kept.
    pub drop_in_data: u32,
    /// AUTH is answered with 535.
    pub refuse_auth: bool,
}

/// A temporary answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Temporary {
    /// 421 answers MAIL and closes; 450 answers RCPT; 451 and 452 answer the end of DATA.
    pub code: u16,
    pub count: u32,
}

/// A mailbox. Clones share its state.
#[derive(Debug, Clone)]
pub struct Mailbox {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    clock: Arc<dyn Clock>,
    ledger: Ledger,
    state: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    mails: Vec<Mail>,
    knobs: Knobs,
}

/// A served mailbox. Dropping it stops the servers.
#[derive(Debug)]
pub struct Serving {
    pub smtp: SocketAddr,
    pub web: super::Serving,
}

impl Mailbox {
    pub fn new(clock: Arc<dyn Clock>, ledger: Ledger) -> Self {
        Self { inner: Arc::new(Inner { clock, ledger, state: Mutex::default() }) }
    }

    /// Binds both servers and serves until the returned value is dropped. Port 0 picks a free port.
    pub async fn serve(&self, smtp: SocketAddr, http: SocketAddr) -> io::Result<Serving> {
        let listener = tokio::net::TcpListener::bind(smtp).await?;
        let smtp = listener.local_addr()?;
        let web = super::Serving::start("mailbox", http, web::router(self)).await?;
        web.beside(smtp::listen(listener, self.clone()));
        Ok(Serving { smtp, web })
    }

    /// Every mail, oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        self.with(|held| held.mails.clone())
    }

    /// Every mail after the first `count`.
    pub fn mails_after(&self, count: usize) -> Vec<Mail> {
        self.with(|held| held.mails.get(count..).unwrap_or_default().to_vec())
    }

    /// The recipient of the newest mail with this link.
    pub fn recipient_of(&self, link: &str) -> Option<String> {
        self.with(|held| {
            let mail = held.mails.iter().rev().find(|mail| mail.links.iter().any(|one| one == link))?;
            Some(mail.to.clone())
        })
    }

    /// The mails of one recipient, oldest first.
    pub fn mails_to(&self, to: &str) -> Vec<Mail> {
        let mut mails = self.mails();
        mails.retain(|mail| mail.to.eq_ignore_ascii_case(to));
        mails
    }

    pub fn knobs(&self) -> Knobs {
        self.with(|held| held.knobs.clone())
    }

    pub fn set_knobs(&self, knobs: Knobs) {
        self.with(|held| held.knobs = knobs);
    }

    pub fn clear(&self) {
        self.with(|held| held.mails.clear());
    }

    fn with<T>(&self, change: impl FnOnce(&mut Held) -> T) -> T {
        change(&mut self.inner.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The code of the next temporary answer, if it is one of `codes`; uses up one of its count.
    fn temporary(&self, codes: &[u16]) -> Option<u16> {
        self.with(|held| {
            let next = held.knobs.temporary.iter_mut().find(|one| one.count > 0)?;
            if !codes.contains(&next.code) {
                return None;
            }
            next.count -= 1;
            Some(next.code)
        })
    }

    fn keep(&self, from: &str, recipients: &[String], raw: &[u8], acknowledged: bool) {
        let received_at = self.inner.clock.now();
        let parsed = mime::parse(raw);
        for to in recipients {
            let mail = Mail {
                to: to.clone(),
                from: from.to_owned(),
                subject: parsed.header("subject"),
                message_id: parsed.header("message-id"),
                text: parsed.text.clone(),
                html: parsed.html.clone(),
                links: mime::links(&parsed.text, &parsed.html),
                headers: parsed.headers.clone(),
                received_at,
                acknowledged,
            };
            self.inner.ledger.append(Record {
                at: received_at,
                system: System::Mail,
                what: "mail".into(),
                subject: to.clone(),
                applied: true,
                detail: json!({
                    "message_id": mail.message_id, "subject": mail.subject, "acknowledged": acknowledged,
                }),
            });
            self.with(|held| held.mails.push(mail));
        }
    }
}
