//! Values on their way into a mail: nothing that a person typed becomes markup, a link or a header.

/// Longest value of a field in a mail, in characters.
const LONGEST: usize = 500;

/// One line without control characters, marks that change the direction of text, or invisible ones.
pub(super) fn one_line(text: &str) -> String {
    let visible = text.chars().map(|c| if c.is_control() || is_line(c) { ' ' } else { c });
    let shown: String = visible.filter(|c| !is_invisible(*c)).take(LONGEST).collect();
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_line(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{85}')
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{61c}' | '\u{feff}')
}

/// A value as Markdown that shows its characters. Addresses are broken up by a space, since mail programs
/// make links of them.
pub(super) fn markdown(text: &str) -> String {
    let line = broken_up(&one_line(text));
    let mut out = String::with_capacity(line.len() + 8);
    for c in line.chars() {
        if c.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn broken_up(line: &str) -> String {
    let mut out = String::with_capacity(line.len() + 8);
    for c in line.replace("://", ": //").chars() {
        out.push(c);
        let last = out.len().checked_sub(4).and_then(|at| out.get(at..));
        if last.is_some_and(|last| last.eq_ignore_ascii_case("www.")) {
            out.push(' ');
        }
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
