//! What somebody meant who writes as in another language: the help for sources that cannot be read.

use rhai::Position;

/// What stands at the place of an error, and what to write.
const SLIPS: &[(&str, &str)] = &[
    ("===", "compare with `==`"),
    ("!==", "compare with `!=`"),
    ("=>", "at least is written `>=`"),
    ("=<", "at most is written `<=`"),
    ("<>", "different is written `!=`"),
    ("=", "compare with `==`; nothing is assigned here"),
    ("&", "both is written `&&`"),
    ("|", "either is written `||`"),
    ("and", "both is written `&&`"),
    ("AND", "both is written `&&`"),
    ("or", "either is written `||`"),
    ("OR", "either is written `||`"),
    ("not in", "write `!in`"),
    ("not", "write `!` for not"),
    ("NOT", "write `!` for not"),
    ("is", "compare with `==`"),
    ("like", "ask with .contains(\"...\"), .starts_with(\"...\") or .ends_with(\"...\")"),
    ("matches", "ask with .contains(\"...\"), .starts_with(\"...\") or .ends_with(\"...\")"),
    ("null", "an empty value is written `()`"),
    ("nil", "an empty value is written `()`"),
    ("None", "an empty value is written `()`"),
    ("undefined", "an empty value is written `()`"),
    ("True", "write `true`"),
    ("TRUE", "write `true`"),
    ("False", "write `false`"),
    ("FALSE", "write `false`"),
    ("'", "a text stands in double quotes: \"...\""),
    ("\u{201c}", "a text stands in straight quotes: \"...\""),
    ("\u{201d}", "a text stands in straight quotes: \"...\""),
    ("\u{201e}", "a text stands in straight quotes: \"...\""),
    ("\u{2018}", "a text stands in straight double quotes: \"...\""),
    ("\u{2019}", "a text stands in straight double quotes: \"...\""),
    ("?", "one of two values is written `if a { b } else { c }`"),
];

/// None: it is nothing that is known from elsewhere.
pub(super) fn help(source: &str, at: Position) -> Option<String> {
    let line = source.split('\n').nth(at.line()?.checked_sub(1)?)?;
    let column = at.position()?.checked_sub(1)?;
    let rest: String = line.chars().skip(column).collect();
    let slip = SLIPS.iter().find(|(slip, _)| {
        rest.strip_prefix(slip).is_some_and(|after| {
            let word = slip.ends_with(char::is_alphanumeric);
            !(word && after.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        })
    });
    slip.map(|(_, help)| (*help).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_at_the_place_is_explained() {
        for (source, column, expected) in [
            ("a = 1", 3, Some("compare with `==`; nothing is assigned here")),
            ("a === 1", 3, Some("compare with `==`")),
            ("a and b", 3, Some("both is written `&&`")),
            ("a android", 3, None),
            ("a not in b", 3, Some("write `!in`")),
            ("a == 'x'", 6, Some("a text stands in double quotes: \"...\"")),
            ("a )", 3, None),
            ("a", 9, None),
        ] {
            let found = help(source, Position::new(1, column));
            assert_eq!(found.as_deref(), expected, "{source}");
        }
        assert_eq!(help("a", Position::NONE), None);
    }
}
