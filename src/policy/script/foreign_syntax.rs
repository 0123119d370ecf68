//! Recognizes syntax of other languages, for the help texts of sources that do not parse.

use rhai::Position;

/// The text at the position of an error, with the fix.
const SLIPS: &[(&str, &str)] = &[
    ("===", "compare with `==`"),
    ("!==", "compare with `!=`"),
    ("=>", "write `>=` for at least"),
    ("=<", "write `<=` for at most"),
    ("<>", "write `!=` for different"),
    ("=", "compare with `==`; assignment is not allowed here"),
    ("&", "write `&&` for and"),
    ("|", "write `||` for or"),
    ("and", "write `&&` for and"),
    ("AND", "write `&&` for and"),
    ("or", "write `||` for or"),
    ("OR", "write `||` for or"),
    ("not in", "write `!in`"),
    ("not", "write `!` for not"),
    ("NOT", "write `!` for not"),
    ("is", "compare with `==`"),
    ("like", "use .contains(\"...\"), .starts_with(\"...\") or .ends_with(\"...\")"),
    ("matches", "use .contains(\"...\"), .starts_with(\"...\") or .ends_with(\"...\")"),
    ("null", "write `()` for an empty value"),
    ("nil", "write `()` for an empty value"),
    ("None", "write `()` for an empty value"),
    ("undefined", "write `()` for an empty value"),
    ("True", "write `true`"),
    ("TRUE", "write `true`"),
    ("False", "write `false`"),
    ("FALSE", "write `false`"),
    ("'", "write texts in double quotes: \"...\""),
    ("\u{201c}", "write texts in straight quotes: \"...\""),
    ("\u{201d}", "write texts in straight quotes: \"...\""),
    ("\u{201e}", "write texts in straight quotes: \"...\""),
    ("\u{2018}", "write texts in straight double quotes: \"...\""),
    ("\u{2019}", "write texts in straight double quotes: \"...\""),
    ("?", "write `if a { b } else { c }`"),
];

/// Returns the help; none if the text is not known from another language.
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

/// Letters of other alphabets that look like an ASCII letter.
const LOOKALIKES: &[(char, char)] = &[
    ('а', 'a'),
    ('е', 'e'),
    ('о', 'o'),
    ('р', 'p'),
    ('с', 'c'),
    ('у', 'y'),
    ('х', 'x'),
    ('і', 'i'),
    ('ј', 'j'),
    ('ѕ', 's'),
    ('ԁ', 'd'),
    ('А', 'A'),
    ('В', 'B'),
    ('Е', 'E'),
    ('К', 'K'),
    ('М', 'M'),
    ('Н', 'H'),
    ('О', 'O'),
    ('Р', 'P'),
    ('С', 'C'),
    ('Т', 'T'),
    ('Х', 'X'),
    ('ο', 'o'),
    ('α', 'a'),
    ('ν', 'v'),
    ('ι', 'i'),
    ('ρ', 'p'),
    ('Α', 'A'),
    ('Β', 'B'),
    ('Ε', 'E'),
    ('Η', 'H'),
    ('Ι', 'I'),
    ('Κ', 'K'),
    ('Μ', 'M'),
    ('Ν', 'N'),
    ('Ο', 'O'),
    ('Ρ', 'P'),
    ('Τ', 'T'),
    ('Χ', 'X'),
    ('\u{2013}', '-'),
    ('\u{2212}', '-'),
    ('\u{2014}', '-'),
    ('\u{ff1d}', '='),
];

/// Names a non-ASCII character that no script has, since it is often invisible. None if all are ASCII.
pub(super) fn foreign(sign: &str) -> Option<(String, String)> {
    // In some places the parser wraps the character in its own words.
    let sign = sign.chars().find(|c| !c.is_ascii())?;
    let code = format!("U+{:04X}", u32::from(sign));
    if sign.is_whitespace() {
        let message = format!("the character {code} looks like a space but is not one");
        return Some((message, "replace it by a space".to_owned()));
    }
    let like = LOOKALIKES.iter().find(|(other, _)| *other == sign);
    Some(match like {
        Some((_, plain)) => (
            format!("`{sign}` is the character {code}, which looks like `{plain}`"),
            format!("replace it by `{plain}`"),
        ),
        None => (
            format!("the character `{sign}` ({code}) is not allowed in a script"),
            "use ASCII letters, digits and signs outside texts in double quotes".to_owned(),
        ),
    })
}

/// Finds a foreign character at the end of the name at a position; returns it with its own position.
pub(super) fn foreign_in_a_name(source: &str, at: Position) -> Option<(Position, (String, String))> {
    let number = at.line()?;
    let line = source.split('\n').nth(number.checked_sub(1)?)?;
    let from = at.position()?.checked_sub(1)?;
    let rest = line.chars().skip(from);
    let name = rest.clone().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').count();
    let sign = rest.clone().nth(name).filter(|c| name > 0 && c.is_alphabetic())?;
    let column = u16::try_from(from + name + 1).ok()?;
    Some((Position::new(u16::try_from(number).ok()?, column), foreign(&sign.to_string())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_syntax_is_explained_at_its_place() {
        for (source, column, expected) in [
            ("a = 1", 3, Some("compare with `==`; assignment is not allowed here")),
            ("a === 1", 3, Some("compare with `==`")),
            ("a and b", 3, Some("write `&&` for and")),
            ("a android", 3, None),
            ("a not in b", 3, Some("write `!in`")),
            ("a == 'x'", 6, Some("write texts in double quotes: \"...\"")),
            ("a )", 3, None),
            ("a", 9, None),
        ] {
            let found = help(source, Position::new(1, column));
            assert_eq!(found.as_deref(), expected, "{source}");
        }
        assert_eq!(help("a", Position::NONE), None);
    }
}
