//! Mail over SMTP: one mail, one recipient, one connection, one answer.
//!
//! A mail can arrive twice if the connection breaks between its last dot and the server's answer. Every attempt has the
//! same Message-ID, by which mail programs recognize duplicates. Must not depend on templates or cases.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use lettre::message::Mailbox;
use tokio::sync::Semaphore;

use super::{Connector, Finding, Mailer};
use crate::model::{Address, Attempt, Clock, Failure, Message, Secret};

mod dialogue;
mod hello;
mod layout;
mod letter;
mod mailbox;
mod options;
mod relay;

pub use layout::Layout;
pub use mailbox::safe_mailbox;
pub use options::Options;

/// Connections to the relay at the same time; more make some relays refuse all of them.
const CONNECTIONS: usize = 4;

/// The settings of the relay.
#[derive(Clone)]
pub struct Settings {
    /// `smtp://user@host:587` or `smtps://user@host:465`. `smtp://` means STARTTLS, which is required except to this
    /// machine; `?tls=required` and `?tls=none` set it explicitly.
    pub url: String,
    pub password: Option<Secret>,
    /// `Name <address>`.
    pub from: String,
    /// For the connection, and again for the delivery of a mail.
    pub timeout: Duration,
    /// What surrounds the HTML part of each mail.
    pub layout: Layout,
}

impl Settings {
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
}

/// A mail server on this machine; the caller adds the sender.
impl Default for Settings {
    fn default() -> Self {
        Self {
            url: "smtp://localhost".to_owned(),
            password: None,
            from: String::new(),
            timeout: Self::DEFAULT_TIMEOUT,
            layout: Layout::default(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("smtp::Settings")
    }
}

/// The connector.
pub struct Smtp {
    relay: relay::Relay,
    from: Mailbox,
    layout: Layout,
    timeout: Duration,
    connections: Semaphore,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Smtp({:?})", self.relay)
    }
}

impl Smtp {
    /// Checks the settings; makes no connection.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let relay = relay::Relay::new(&settings.url, settings.password.as_ref())?;
        let from = mailbox::sender(&settings.from)?;
        if settings.timeout.is_zero() {
            return Err("the mail server's timeout must be longer than zero".to_owned());
        }
        let connections = Semaphore::new(CONNECTIONS);
        Ok(Self { relay, from, layout: settings.layout, timeout: settings.timeout, connections, clock })
    }

    async fn test(&self, to: &str) -> Result<(), Failure> {
        let now = self.clock.now();
        let message = Message {
            to: Address { name: None, email: to.to_owned() },
            subject: "Test of proofd's mail".to_owned(),
            text: "This mail confirms that proofd can send mail. You do not need to do anything.\n"
                .to_owned(),
            html: "<p>This mail confirms that proofd can send mail. You do not need to do anything.</p>\n"
                .to_owned(),
            template: "test".to_owned(),
            language: "en".to_owned(),
        };
        self.deliver(&format!("test.{}", now.timestamp_millis()), &message).await
    }

    async fn deliver(&self, id: &str, message: &Message) -> Result<(), Failure> {
        let letter = letter::letter(&self.from, &self.layout, id, message, self.clock.now())?;
        let _permit =
            self.connections.acquire().await.map_err(|_| Failure::unavailable("the daemon is stopping"))?;
        dialogue::hand_over(&self.relay, self.timeout, &letter).await
    }
}

impl Connector for Smtp {
    /// Connects, greets, encrypts and signs in; sends nothing.
    fn examine(&self) -> BoxFuture<'_, Vec<Finding>> {
        async move {
            let what = format!("mail: {:?}", self.relay);
            vec![match dialogue::greet(&self.relay, self.timeout).await {
                Ok(()) => Finding { ok: true, what, detail: self.relay.summary() },
                Err(failure) => Finding { ok: false, what, detail: failure.reason },
            }]
        }
        .boxed()
    }
}

impl Mailer for Smtp {
    fn send<'a>(&'a self, attempt: &'a Attempt, message: &'a Message) -> BoxFuture<'a, Result<(), Failure>> {
        async move { self.deliver(&attempt.call.to_string(), message).await }.boxed()
    }

    fn send_test<'a>(&'a self, to: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        self.test(to).boxed()
    }
}
