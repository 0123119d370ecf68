//! The only place that creates a mailbox. Unknown people type the names into a form. A name could end a header, change
//! the reading direction of a line, or stop the mail library, which panics on control characters.

use lettre::Address;
use lettre::message::Mailbox;
use url::Host;

use crate::model::Failure;

/// Longest name; longer ones are cut, because headers have limits.
const LONGEST_NAME: usize = 200;

/// Creates a mailbox with a harmless name. An invalid address is refused.
#[expect(clippy::disallowed_methods, reason = "the place that makes it safe")]
pub fn safe_mailbox(name: Option<&str>, email: &str) -> Result<Mailbox, Failure> {
    let address =
        address(email).ok_or_else(|| Failure::refused("the recipient's mail address is invalid"))?;
    let name = name.map(|name| line(name, LONGEST_NAME)).filter(|name| !name.is_empty());
    Ok(Mailbox::new(name, address))
}

/// Parses our own mailbox from the configuration.
pub(super) fn sender(text: &str) -> Result<Mailbox, String> {
    let wrong = || "`from` is not a mail address; expected 'Name <address>' or 'address'".to_owned();
    let parsed: Mailbox = text.trim().parse().map_err(|_| wrong())?;
    safe_mailbox(parsed.name.as_deref(), parsed.email.as_ref()).map_err(|_| wrong())
}

fn address(email: &str) -> Option<Address> {
    let email = email.trim();
    if email.len() > 254 || email.contains(|c: char| c.is_control() || c.is_whitespace() || is_invisible(c)) {
        return None;
    }
    let (user, domain) = email.rsplit_once('@')?;
    if domain.is_ascii() {
        return Address::new(user, domain).ok();
    }
    // An international domain has an ASCII form that every server accepts; only a non-ASCII part before the @ may need
    // a server with SMTPUTF8.
    match Host::parse(domain).ok()? {
        Host::Domain(domain) => Address::new(user, domain).ok(),
        Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

/// Returns text as one line: no control characters, no invisible characters that turn or hide text, single spaces.
/// Encoded words are broken up: no mail program decodes them into any of these.
pub(super) fn line(text: &str, limit: usize) -> String {
    let visible: String =
        text.chars().map(|c| if c.is_control() || is_invisible(c) { ' ' } else { c }).collect();
    let words: Vec<&str> = visible.split_whitespace().collect();
    let mut line: String = words.join(" ").replace("=?", "= ?").chars().take(limit).collect();
    line.truncate(line.trim_end().len());
    line
}

/// Returns whether a character is a direction mark, a line separator or otherwise invisible. Joiners do not count: some
/// scripts need them.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}
