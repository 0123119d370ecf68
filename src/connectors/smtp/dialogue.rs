//! The dialogue with the relay, step by step. The phase of a refusal shows its meaning: before the mail it concerns our
//! access and waits for the operator, afterwards it concerns the mail.
//!
//! The library's pool is not used. It limits only the wait for a connection; a dialogue that a timeout interrupts would
//! return to the pool unfinished, and the next mail would be sent in the middle of it.

use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use tokio::time::timeout;

use super::hello::{greet_with_helo, is_unknown};
use super::letter::Letter;
use super::relay::{Relay, Tls};
use crate::model::Failure;

/// Time limit of QUIT, which is polite but not required.
const GOODBYE: Duration = Duration::from_secs(2);

/// Delivers one mail to the relay.
pub(super) async fn hand_over(relay: &Relay, limit: Duration, letter: &Letter) -> Result<(), Failure> {
    let mut connection = reach(relay, limit).await?;
    let parameters = parameters(&connection, letter)?;
    let sent = timeout(limit, send(&mut connection, letter, parameters)).await;
    match sent {
        // The mail is accepted, whatever the result of QUIT.
        Ok(Ok(())) => {
            let _ = timeout(GOODBYE, connection.quit()).await;
            Ok(())
        }
        Ok(Err(error)) => Err(not_taken(&error)),
        Err(_) => Err(Failure::unavailable(
            "the mail server did not answer in time during the delivery of a mail; if it accepted the \
                mail, it arrives twice with one Message-ID",
        )),
    }
}

/// Returns the parameters for non-ASCII text in a mail, or an error if the server does not support it.
fn parameters(connection: &AsyncSmtpConnection, letter: &Letter) -> Result<Vec<MailParameter>, Failure> {
    let mut parameters = Vec::new();
    let mut addresses = letter.envelope.from().into_iter().chain(letter.envelope.to());
    if addresses.any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
        parameters.push((Extension::SmtpUtfEight, MailParameter::SmtpUtfEight));
    }
    if !letter.text.is_ascii() {
        let body = MailParameter::Body(MailBodyParameter::EightBitMime);
        parameters.push((Extension::EightBitMime, body));
    }
    if parameters.iter().all(|(needed, _)| connection.server_info().supports_feature(*needed)) {
        return Ok(parameters.into_iter().map(|(_, parameter)| parameter).collect());
    }
    Err(Failure::refused(
        "the address has letters that need SMTPUTF8 or 8BITMIME, which the mail server does not support",
    ))
}

/// Sends a mail. The library's own `send` writes the last dot separately; the operating system delays such a small
/// packet until the other side has acknowledged the rest, 40 ms later.
async fn send(
    connection: &mut AsyncSmtpConnection,
    letter: &Letter,
    parameters: Vec<MailParameter>,
) -> Result<(), Error> {
    let sent = async {
        connection.command(Mail::new(letter.envelope.from().cloned(), parameters)).await?;
        for to in letter.envelope.to() {
            connection.command(Rcpt::new(to.clone(), Vec::new())).await?;
        }
        connection.command(Data).await?;
        connection.command(dotted(&letter.text)).await.map(drop)
    }
    .await;
    if sent.is_err() {
        connection.abort().await;
    }
    sent
}

/// Returns a mail as it follows DATA, to its last dot: a dot that begins a line is doubled.
fn dotted(text: &str) -> String {
    let begins = if text.starts_with('.') { "." } else { "" };
    format!("{begins}{}\r\n.\r\n", text.replace("\r\n.", "\r\n.."))
}

/// Tries everything except sending a mail.
pub(super) async fn greet(relay: &Relay, limit: Duration) -> Result<(), Failure> {
    let mut connection = reach(relay, limit).await?;
    let _ = timeout(GOODBYE, connection.quit()).await;
    Ok(())
}

async fn reach(relay: &Relay, limit: Duration) -> Result<AsyncSmtpConnection, Failure> {
    timeout(limit, sign_in(relay, limit))
        .await
        .unwrap_or_else(|_| Err(Failure::outage("the mail server did not send its greeting in time")))
}

async fn sign_in(relay: &Relay, limit: Duration) -> Result<AsyncSmtpConnection, Failure> {
    let name = ClientId::default();
    let (implicit, starttls) = match &relay.tls {
        Tls::Implicit(parameters) => (Some(parameters.clone()), None),
        Tls::Required(parameters) => (None, Some(parameters.clone())),
        Tls::None => (None, None),
    };
    let server = (relay.host.as_str(), relay.port);
    let greeted = AsyncSmtpConnection::connect_tokio1(server, Some(limit), &name, implicit, None).await;
    let greeted = match greeted {
        Err(error) if is_unknown(&error) => {
            if !matches!(relay.tls, Tls::None) || relay.credentials.is_some() {
                return Err(Failure::outage(
                    "the mail server refuses EHLO, so neither encryption nor sign-in is possible; use \
                        another mail server, or one on this machine without ?tls=required and without a \
                        user",
                ));
            }
            greet_with_helo(server, &name).await.unwrap_or(Err(error))
        }
        greeted => greeted,
    };
    let mut connection = greeted.map_err(|error| not_reached(&error))?;
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

// The messages below contain nothing of the server's text: servers repeat addresses.

fn not_reached(error: &Error) -> Failure {
    Failure::outage(match error.status() {
        Some(code) => format!("the mail server refused the connection (code {code})"),
        None if error.is_tls() => untrusted(),
        None if error.is_response() => {
            "the server at the mail server's address does not speak SMTP; check port and TLS".to_owned()
        }
        None => "the mail server cannot be reached: check its address, port and certificate".to_owned(),
    })
}

fn untrusted() -> String {
    "the connection to the mail server cannot be encrypted: check its certificate and host name".to_owned()
}

fn not_private(error: &Error) -> Failure {
    Failure::outage(if error.is_client() {
        "the mail server offers no STARTTLS, and mail is not sent unencrypted; check port and address"
            .to_owned()
    } else {
        untrusted()
    })
}

fn not_signed_in(error: &Error) -> Failure {
    Failure::outage(match error.status() {
        Some(code) if error.is_permanent() => {
            format!("the mail server refused the sign-in (code {code}): user or password is wrong")
        }
        Some(code) => format!("sign-in at the mail server failed for now (code {code})"),
        None if error.is_client() => {
            "the mail server offers no supported sign-in (PLAIN, LOGIN); remove the user if it needs none"
                .to_owned()
        }
        None => "the connection to the mail server broke during sign-in".to_owned(),
    })
}

fn not_taken(error: &Error) -> Failure {
    let Some(code) = error.status() else {
        return Failure::unavailable(
            "the connection closed during the delivery of a mail; if the mail server accepted it, it \
                arrives twice with one Message-ID",
        );
    };
    match u16::from(code) {
        // 530, 534, 535, 538: the server requires a sign-in, or another kind. This concerns our settings.
        code @ (530 | 534 | 535 | 538) => Failure::outage(format!(
            "the mail server requires a sign-in before it accepts mail (code {code}): check user and \
                password"
        )),
        code if error.is_permanent() => {
            Failure::refused(format!("the mail server refused this mail permanently (code {code})"))
        }
        code => Failure::unavailable(format!("the mail server refused the mail for now (code {code})")),
    }
}

#[cfg(test)]
mod tests {
    use super::dotted;

    #[test]
    fn lines_with_a_dot_are_stuffed() {
        for (text, sent) in [
            ("a\r\n", "a\r\n\r\n.\r\n"),
            (".\r\n.\r\nb", "..\r\n..\r\nb\r\n.\r\n"),
            ("\r\n.\r\n", "\r\n..\r\n\r\n.\r\n"),
            ("a.\r\n..b", "a.\r\n...b\r\n.\r\n"),
        ] {
            assert_eq!(dotted(text), sent);
        }
    }
}
