//! The mail relay and the encryption of its connection, parsed from one address.

use std::fmt;
use std::net::IpAddr;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::TlsParameters;
use url::Url;

use crate::model::Secret;

/// The encryption of a connection.
pub(super) enum Tls {
    /// From the first byte on.
    Implicit(TlsParameters),
    /// By STARTTLS before any other command; without it nothing is sent.
    Required(TlsParameters),
    /// None: only to this machine.
    None,
}

/// The mail server that accepts our mail.
pub(super) struct Relay {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) credentials: Option<Credentials>,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Relay {
    pub(super) fn new(address: &str, password: Option<&Secret>) -> Result<Self, String> {
        // No error repeats the address: it may contain a password.
        let expected = "expected smtp://user@host:587 or smtps://user@host:465";
        let url = Url::parse(address)
            .map_err(|error| format!("the mail server's address is invalid ({error}); {expected}"))?;
        let host = url
            .host_str()
            .map(|host| host.trim_start_matches('[').trim_end_matches(']').to_owned())
            .filter(|host| !host.is_empty())
            .ok_or_else(|| format!("the mail server's address has no host; {expected}"))?;
        if url.password().is_some() {
            return Err("the mail server's address contains a password; move it to `password`".to_owned());
        }
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(format!("the mail server's address has a path; {expected}"));
        }
        let (tls, usual_port) = protection(&url, &host, expected)?;
        let credentials = credentials(url.username(), password)?;
        Ok(Self { port: url.port().unwrap_or(usual_port), host, tls, credentials })
    }

    pub(super) fn summary(&self) -> String {
        let tls = match self.tls {
            Tls::Implicit(_) => "TLS",
            Tls::Required(_) => "STARTTLS",
            Tls::None => "no encryption (this machine)",
        };
        let login = if self.credentials.is_some() { "signed in" } else { "no sign-in" };
        format!("the mail server answers: {tls}, {login}")
    }
}

fn protection(url: &Url, host: &str, expected: &str) -> Result<(Tls, u16), String> {
    let is_local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let mut wish = None;
    for (name, value) in url.query_pairs() {
        match (name.as_ref(), value.as_ref()) {
            ("tls", "required") => wish = Some(true),
            ("tls", "none") => wish = Some(false),
            _ => {
                return Err("the mail server's address allows ?tls=required and ?tls=none only".to_owned());
            }
        }
    }
    let parameters = || {
        TlsParameters::new_rustls(host.to_owned())
            .map_err(|_| "TLS cannot be set up: the system's certificates cannot be read".to_owned())
    };
    match (url.scheme(), wish) {
        ("smtps", Some(false)) => Err("smtps:// and ?tls=none contradict each other".to_owned()),
        ("smtps", _) => Ok((Tls::Implicit(parameters()?), 465)),
        ("smtp", Some(false)) if !is_local => {
            Err("?tls=none is for a mail server on this machine only".to_owned())
        }
        ("smtp", Some(true)) => Ok((Tls::Required(parameters()?), 587)),
        ("smtp", None) if !is_local => Ok((Tls::Required(parameters()?), 587)),
        ("smtp", _) => Ok((Tls::None, 25)),
        _ => Err(format!("the mail server's address has another scheme; {expected}")),
    }
}

fn credentials(user: &str, password: Option<&Secret>) -> Result<Option<Credentials>, String> {
    let password = password.map(Secret::expose).filter(|password| !password.is_empty());
    match (user.is_empty(), password) {
        (true, None) => Ok(None),
        (true, Some(_)) => Err("a mail password is set without a user; expected smtp://user@host".to_owned()),
        (false, None) => Err("the mail server's address has a user, but no password is set".to_owned()),
        (false, Some(password)) => Ok(Some(Credentials::new(decoded(user)?, password.to_owned()))),
    }
}

/// Decodes a user, which is often an address whose `@` is written as `%40`.
fn decoded(user: &str) -> Result<String, String> {
    url::form_urlencoded::parse(format!("u={}", user.replace('+', "%2B").replace('&', "%26")).as_bytes())
        .next()
        .map(|(_, user)| user.into_owned())
        .filter(|user| !user.contains(char::is_control))
        .ok_or_else(|| "the user in the mail server's address is invalid".to_owned())
}
