//! The conversation with the relay, step by step, so that a "no" is understood by when it was said: before the
//! mail it is about us and waits for the operator, after it is about the mail.
//!
//! The library's pool is not used. It limits only the waiting for a connection; a dialogue that is cut off by a
//! timeout would go back into the pool half-spoken and the next mail would be said into the middle of it.

use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use tokio::time::timeout;

use super::letter::Letter;
use super::relay::{Relay, Tls};
use crate::model::Failure;

/// Saying goodbye is polite, not needed.
const GOODBYE: Duration = Duration::from_secs(2);

/// Hands over one mail.
pub(super) async fn hand_over(relay: &Relay, limit: Duration, letter: &Letter) -> Result<(), Failure> {
    let mut connection = reach(relay, limit).await?;
    let sent = timeout(limit, connection.send(&letter.envelope, &letter.bytes)).await;
    match sent {
        // The mail is taken, whatever becomes of the goodbye.
        Ok(Ok(_)) => {
            let _ = timeout(GOODBYE, connection.quit()).await;
            Ok(())
        }
        Ok(Err(error)) => Err(not_taken(&error)),
        Err(_) => Err(Failure::unavailable(
            "the mail server did not answer in time while a mail was handed over; if it took the mail, it \
             arrives twice with the same Message-ID",
        )),
    }
}

/// Tries everything short of a mail.
pub(super) async fn greet(relay: &Relay, limit: Duration) -> Result<(), Failure> {
    let mut connection = reach(relay, limit).await?;
    let _ = timeout(GOODBYE, connection.quit()).await;
    Ok(())
}

async fn reach(relay: &Relay, limit: Duration) -> Result<AsyncSmtpConnection, Failure> {
    timeout(limit, sign_in(relay, limit)).await.unwrap_or_else(|_| {
        Err(Failure::unavailable("the mail server did not answer in time to the connection's first words"))
    })
}

async fn sign_in(relay: &Relay, limit: Duration) -> Result<AsyncSmtpConnection, Failure> {
    let name = ClientId::default();
    let (implicit, starttls) = match &relay.tls {
        Tls::Implicit(parameters) => (Some(parameters.clone()), None),
        Tls::Required(parameters) => (None, Some(parameters.clone())),
        Tls::None => (None, None),
    };
    let server = (relay.host.as_str(), relay.port);
    let mut connection = AsyncSmtpConnection::connect_tokio1(server, Some(limit), &name, implicit, None)
        .await
        .map_err(|error| not_reached(&error))?;
    if let Some(parameters) = starttls {
        connection.starttls(parameters, &name).await.map_err(|error| not_private(&error))?;
    }
    if let Some(credentials) = &relay.credentials {
        connection
            .auth(&[Mechanism::Plain, Mechanism::Login], credentials)
            .await
            .map_err(|error| not_signed_in(&error))?;
    }
    Ok(connection)
}

// None of the sentences below holds what the server said: servers repeat addresses.

fn not_reached(error: &Error) -> Failure {
    Failure::unavailable(match error.status() {
        Some(code) => format!("the mail server does not want to talk to us (code {code})"),
        None if error.is_tls() => untrusted(),
        None if error.is_response() => {
            "what answers at the mail server's address does not speak SMTP; check port and TLS".to_owned()
        }
        None => "the mail server cannot be reached: check its address, port and certificate".to_owned(),
    })
}

fn untrusted() -> String {
    "the connection to the mail server cannot be encrypted: check its certificate and host name".to_owned()
}

fn not_private(error: &Error) -> Failure {
    Failure::unavailable(if error.is_client() {
        "the mail server offers no STARTTLS, and nothing is sent in the open; check port and address"
            .to_owned()
    } else {
        untrusted()
    })
}

fn not_signed_in(error: &Error) -> Failure {
    Failure::unavailable(match error.status() {
        Some(code) if error.is_permanent() => {
            format!("the mail server does not accept our sign-in (code {code}): user or password is wrong")
        }
        Some(code) => format!("the mail server cannot sign us in at the moment (code {code})"),
        None if error.is_client() => {
            "the mail server offers no sign-in that we know (PLAIN, LOGIN); is a user needed there?"
                .to_owned()
        }
        None => "the connection to the mail server broke during sign-in".to_owned(),
    })
}

fn not_taken(error: &Error) -> Failure {
    let Some(code) = error.status() else {
        return if error.is_client() {
            Failure::refused(
                "the address has letters that need SMTPUTF8 or 8BITMIME, which the mail server lacks",
            )
        } else {
            Failure::unavailable(
                "the connection broke while a mail was handed over; if the mail server took it, it arrives \
                 twice with the same Message-ID",
            )
        };
    };
    match u16::from(code) {
        // 530, 534, 535, 538: we are asked to sign in, or differently. That is about us.
        code @ (530 | 534 | 535 | 538) => Failure::unavailable(format!(
            "the mail server wants another sign-in before it takes mail (code {code}): check user and password"
        )),
        code if error.is_permanent() => {
            Failure::refused(format!("the mail server refuses this mail for good (code {code})"))
        }
        code => Failure::unavailable(format!("the mail server cannot take the mail now (code {code})")),
    }
}
