//! Escapes values in a mail: no text that a person typed becomes markup, a link or a header.

use crate::model::typed;

/// The maximum length of a field's value in a mail, in characters.
const LONGEST: usize = 500;

/// Returns one line for a subject, without characters that hide or reorder text.
pub(super) fn one_line(text: &str) -> String {
    typed::one_line(text, LONGEST)
}

/// Returns an untrusted value for a subject.
pub(super) fn typed_line(text: &str) -> String {
    typed::unlinked(&one_line(text))
}

/// Returns an untrusted value as Markdown that shows its characters. Addresses in it are broken up by a blank, because
/// mail programs turn them into links.
pub(super) fn typed_markdown(text: &str) -> String {
    verbatim(&typed_line(text))
}

/// Returns a value that an administrator chose, as Markdown that shows its characters.
pub(super) fn markdown(text: &str) -> String {
    verbatim(&one_line(text))
}

fn verbatim(line: &str) -> String {
    let mut out = String::with_capacity(line.len() + 8);
    for c in line.chars() {
        if c.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Returns one of proofd's own URLs as a Markdown link; characters that could end the link are encoded.
pub(super) fn link(url: &str) -> String {
    let mut out = String::from("<");
    for c in url.chars().filter(|c| !c.is_control()) {
        match c {
            '<' => out.push_str("%3C"),
            '>' => out.push_str("%3E"),
            ' ' => out.push_str("%20"),
            '\\' => out.push_str("%5C"),
            c => out.push(c),
        }
    }
    out.push('>');
    out
}
