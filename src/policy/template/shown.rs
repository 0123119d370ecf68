//! Decides whether a template shows a value in every mail.

/// Reports whether `{{ word }}` occurs outside of comments and of blocks. A block that tests whether the word exists
/// does not count as a block.
pub(super) fn always(text: &str, word: &str) -> bool {
    let (mut rest, mut blocks) = (text, Vec::new());
    while let Some((sign, at)) = first(rest) {
        let inner = &rest[at + 2..];
        // HTML comments begin with more than two characters; the rest is not an end.
        let close = match sign {
            Sign::Value => "}}",
            Sign::Block => "%}",
            Sign::Comment => "#}",
            Sign::Markup => "-->",
        };
        let Some(end) = inner.find(close) else { return false };
        let tag = inner[..end].trim_matches('-').trim();
        match sign {
            Sign::Value if tag == word && blocks.iter().all(|shown| *shown) => return true,
            Sign::Block => enter(tag, word, &mut blocks),
            Sign::Value | Sign::Comment | Sign::Markup => {}
        }
        rest = &inner[end + close.len()..];
    }
    false
}

/// Returns the hosts of the web addresses in a text.
pub(super) fn hosts(text: &str) -> Vec<String> {
    let begin = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '@');
    let after = text.split("://").skip(1);
    let hosts = after.map(|rest| rest.chars().take_while(|c| begin(*c)).collect::<String>().to_lowercase());
    hosts.filter(|host| !host.is_empty()).collect()
}

/// Updates the open blocks by a tag; true: the block appears in every mail that has the word.
fn enter(tag: &str, word: &str, blocks: &mut Vec<bool>) {
    let mut words = tag.split_whitespace();
    match words.next().unwrap_or_default() {
        "if" => blocks.push(words.eq([word])),
        "else" | "elif" => {
            if let Some(last) = blocks.last_mut() {
                *last = false;
            }
        }
        tag if tag.starts_with("end") => {
            blocks.pop();
        }
        "for" | "macro" | "call" | "filter" | "raw" | "autoescape" | "with" | "block" => blocks.push(false),
        "set" if !tag.contains('=') => blocks.push(false),
        _ => {}
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sign {
    Value,
    Block,
    Comment,
    Markup,
}

fn first(text: &str) -> Option<(Sign, usize)> {
    let signs = [(Sign::Value, "{{"), (Sign::Block, "{%"), (Sign::Comment, "{#"), (Sign::Markup, "<!")];
    let found = signs.into_iter().filter_map(|(sign, begin)| Some((text.find(begin)?, sign)));
    found.min().map(|(at, sign)| (sign, at))
}

#[cfg(test)]
mod tests {
    use super::always;

    #[test]
    fn a_link_counts_as_shown_only_if_every_branch_contains_it() {
        for (text, expected) in [
            ("[go]({{ link }})", true),
            ("[go]({{- link -}})", true),
            ("{{ user.first_name }} {{ link }}", true),
            ("{% if link %}{{ link }}{% else %}no{% endif %}", true),
            ("{% if user.x %}a{% endif %}{{ link }}", true),
            ("{% if user.x %}{{ link }}{% endif %}", false),
            ("{% if link %}no{% else %}{{ link }}{% endif %}", false),
            ("{% if false %}{{ link }}{% endif %}", false),
            ("{% if link and false %}{{ link }}{% endif %}", false),
            ("{% for x in [] %}{{ link }}{% endfor %}", false),
            ("{# {{ link }} #}", false),
            ("<!-- {{ link }} -->", false),
            ("{{ link if false }}", false),
            ("{{ contest_link }}", false),
            ("{{ link", false),
            ("nothing", false),
        ] {
            assert_eq!(always(text, "link"), expected, "{text}");
        }
    }
}
