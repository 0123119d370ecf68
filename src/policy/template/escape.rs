//! Values on their way into a mail: nothing that a person typed becomes markup, a link or a header.

use crate::model::typed;

/// Longest value of a field in a mail, in characters.
const LONGEST: usize = 500;

/// One line of a subject: no marks that hide or turn text.
pub(super) fn one_line(text: &str) -> String {
    typed::one_line(text, LONGEST)
}

/// A value that strangers may have typed, for a subject.
pub(super) fn typed_line(text: &str) -> String {
    typed::unlinked(&one_line(text))
}

/// A value that strangers may have typed, as Markdown that shows its characters. Addresses in it are broken up
/// by a blank, since mail programs make links of them.
pub(super) fn typed_markdown(text: &str) -> String {
    verbatim(&typed_line(text))
}

/// A value that an administrator chose, as Markdown that shows its characters.
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

/// Our own address as a Markdown link; what could end the link is encoded.
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
