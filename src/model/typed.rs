//! Texts typed by untrusted people: names, addresses, event data. They are bounded at input and displayed as plain text
//! only.
//!
//! | text | treatment |
//! |---|---|
//! | a name | NFC; marks that hide or reorder text are dropped, line breaks become blanks, at most 200 characters |
//! | everything else | such marks become U+FFFD, which makes the text equal to no other; nothing else changes |
//! | a text that is too long | is cut and ends with an ellipsis, which makes it equal to no other |
//!
//! An address or an id never changes into another valid one: U+FFFD or an ellipsis makes it invalid.

use serde_json::Value;
use unicode_general_category::{GeneralCategory as Category, get_general_category as category};
use unicode_normalization::UnicodeNormalization as _;

use super::Fields;

/// Maximum of characters in a name.
pub const LONGEST_NAME: usize = 200;
/// Maximum of characters in a mail address or a user name.
pub const LONGEST_ADDRESS: usize = 254;
/// Maximum of characters in any other text.
pub const LONGEST_TEXT: usize = 4_000;
/// Maximum of members of an object and items of a list.
pub const MOST_MEMBERS: usize = 500;
/// Maximum nesting depth of objects and lists.
pub const DEEPEST: usize = 16;
/// Maximum of combining marks on one letter; more of them cover adjacent lines.
const MOST_MARKS: usize = 8;

/// Fields with a name, in any record.
const NAMES: [&str; 13] = [
    "actor_user_name",
    "department",
    "display_name",
    "displayname",
    "family_name",
    "first_name",
    "firstname",
    "given_name",
    "last_name",
    "lastname",
    "name",
    "title",
    "user_name",
];
/// Fields with a mail address or a user name.
const ADDRESSES: [&str; 3] = ["email", "email_domain", "username"];

/// The effect of a character on the text around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Shows,
    /// Ends a line.
    Breaks,
    /// Is invisible, or reorders or hides visible text.
    Hides,
    /// Is unassigned, for private use, or a control character.
    Nothing,
}

fn does(c: char) -> Does {
    match c {
        // Letters and signs that are blank, or that join their neighbors.
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{2800}' | '\u{3164}'
        | '\u{ffa0}' => Does::Hides,
        '\n' | '\r' | '\t' | '\u{b}' | '\u{c}' | '\u{85}' => Does::Breaks,
        c if c.is_ascii() && !c.is_ascii_control() => Does::Shows,
        c => match category(c) {
            Category::LineSeparator | Category::ParagraphSeparator => Does::Breaks,
            Category::Format => Does::Hides,
            Category::Control | Category::PrivateUse | Category::Unassigned | Category::Surrogate => {
                Does::Nothing
            }
            _ => Does::Shows,
        },
    }
}

/// Returns whether a character may be in an identifier: visible, and without effect on the text around it.
pub fn is_plain(c: char) -> bool {
    does(c) == Does::Shows
}

/// Returns whether a text is short, and of visible ASCII characters: nearly all are, and nothing in them changes.
fn is_simple(text: &str) -> bool {
    text.len() <= LONGEST_NAME && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Returns whether a value and everything in it is simple and within the bounds.
fn is_simple_value(value: &Value, depth: usize) -> bool {
    match value {
        Value::String(text) => is_simple(text),
        Value::Object(inner) => depth < DEEPEST && are_simple(inner, depth + 1),
        Value::Array(items) => {
            depth < DEEPEST
                && items.len() <= MOST_MEMBERS
                && items.iter().all(|item| is_simple_value(item, depth + 1))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

fn are_simple(fields: &Fields, depth: usize) -> bool {
    fields.len() <= MOST_MEMBERS
        && fields.iter().all(|(name, value)| is_simple(name) && is_simple_value(value, depth))
}

/// Returns whether a character is a joiner, which some scripts need within words.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// Returns whether a letter's script uses joiners: Arabic, Syriac, N'Ko, the Indic ones, Khmer, Mongolian.
fn joins(c: char) -> bool {
    matches!(
        c,
        '\u{600}'..='\u{8ff}' | '\u{900}'..='\u{df4}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{18af}'
            | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}'
    )
}

/// Returns each character with its effect at its position.
fn placed(text: &str) -> impl Iterator<Item = (char, Does)> {
    let next = text.chars().skip(1).map(Some).chain([None]);
    let (mut before, mut marks) = (None, 0);
    text.chars().zip(next).map(move |(c, next)| {
        let joiner = is_joiner(c) && before.is_some_and(joins) && next.is_some_and(joins);
        before = Some(c);
        let mark = !c.is_ascii() && matches!(category(c), Category::NonspacingMark | Category::EnclosingMark);
        marks = if mark { marks + 1 } else { 0 };
        let does = match does(c) {
            Does::Hides if joiner => Does::Shows,
            Does::Shows if marks > MOST_MARKS => Does::Hides,
            does => does,
        };
        (c, does)
    })
}

fn cut(text: String, longest: usize) -> String {
    if text.chars().nth(longest).is_none() {
        return text;
    }
    text.chars().take(longest.saturating_sub(1)).chain(['…']).collect()
}

/// Returns a name for display and comparison.
pub fn name(text: &str) -> String {
    if is_simple(text) { text.to_owned() } else { any_name(text) }
}

fn any_name(text: &str) -> String {
    // The bound applies before dropping: dropped characters must not make a long text short.
    let looked_at: String = text.chars().take(LONGEST_NAME * 4).nfc().collect();
    let shown: String = placed(&looked_at)
        .filter_map(|(c, does)| match does {
            Does::Shows => Some(c),
            Does::Breaks => Some(' '),
            Does::Hides => None,
            Does::Nothing => Some('\u{fffd}'),
        })
        .collect();
    let more = text.chars().nth(LONGEST_NAME * 4).is_some();
    cut(if more { shown + "…" } else { shown }, LONGEST_NAME)
}

/// Returns the text unchanged, or a text that equals no other.
pub fn marked(text: &str, longest: usize) -> String {
    if text.len() <= longest && is_simple(text) { text.to_owned() } else { any_marked(text, longest) }
}

fn any_marked(text: &str, longest: usize) -> String {
    let text: String = text.chars().take(longest + 1).collect();
    let shown = placed(&text).map(|(c, does)| match does {
        Does::Shows | Does::Breaks => c,
        Does::Hides | Does::Nothing => '\u{fffd}',
    });
    cut(shown.collect(), longest)
}

fn bounded_text(field: &str, text: &str) -> String {
    let field = field.to_ascii_lowercase();
    if NAMES.contains(&field.as_str()) {
        name(text)
    } else if ADDRESSES.contains(&field.as_str()) {
        marked(text, LONGEST_ADDRESS)
    } else {
        marked(text, LONGEST_TEXT)
    }
}

/// Bounds untyped fields: every text, the number and the depth.
pub fn fields(fields: Fields) -> Fields {
    if are_simple(&fields, 0) { fields } else { members(fields, 0) }
}

fn members(fields: Fields, depth: usize) -> Fields {
    let most = fields.into_iter().take(MOST_MEMBERS);
    most.map(|(name, value)| {
        let value = bounded(&name, value, depth);
        (marked(&name, LONGEST_NAME), value)
    })
    .collect()
}

fn bounded(field: &str, value: Value, depth: usize) -> Value {
    match value {
        Value::String(text) => bounded_text(field, &text).into(),
        Value::Object(_) | Value::Array(_) if depth >= DEEPEST => "…".into(),
        Value::Object(inner) => members(inner, depth + 1).into(),
        Value::Array(items) => {
            let most = items.into_iter().take(MOST_MEMBERS);
            most.map(|item| bounded(field, item, depth + 1)).collect()
        }
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
    }
}

/// Returns what is wrong with the fields of an event, for senders that receive an answer: the path, and why.
pub fn refused(fields: &Fields) -> Option<(String, &'static str)> {
    fields
        .iter()
        .find_map(|(name, value)| wrong(name, name, value, 1))
        .or_else(|| (fields.len() > MOST_MEMBERS).then(|| (String::new(), "has more than 500 members")))
}

fn wrong(path: &str, field: &str, value: &Value, depth: usize) -> Option<(String, &'static str)> {
    let at = |why| Some((path.to_owned(), why));
    let is_address = ADDRESSES.contains(&field.to_ascii_lowercase().as_str());
    match value {
        Value::String(text) if is_address && text.chars().nth(LONGEST_ADDRESS).is_some() => {
            at("is longer than 254 characters")
        }
        Value::String(text) if is_address && !text.chars().all(is_plain) => {
            at("has an invisible or direction-changing character")
        }
        Value::Object(_) | Value::Array(_) if depth > DEEPEST => at("has more than 16 levels of nesting"),
        Value::Object(inner) if inner.len() > MOST_MEMBERS => at("has more than 500 members"),
        Value::Object(inner) => {
            inner.iter().find_map(|(name, value)| wrong(&format!("{path}.{name}"), name, value, depth + 1))
        }
        Value::Array(items) if items.len() > MOST_MEMBERS => at("has more than 500 items"),
        Value::Array(items) => items.iter().find_map(|item| wrong(path, field, item, depth + 1)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// Returns a text in one line for display: without hiding, reordering or moving characters, and at most `longest`
/// characters long.
pub fn one_line(text: &str, longest: usize) -> String {
    let shown = placed(text).take(longest * 4).filter_map(|(c, does)| match does {
        Does::Shows => Some(c),
        Does::Breaks => Some(' '),
        Does::Hides => None,
        Does::Nothing => Some('\u{fffd}'),
    });
    let shown: String = shown.collect();
    cut(shown.split_whitespace().collect::<Vec<_>>().join(" "), longest)
}

/// Returns a text that no program turns into a link: a blank follows each character that holds an address together (a
/// dot before a letter, a scheme's colon, the backslashes of a share). A blank is visible, unlike a mark that a program
/// may drop, and names stay readable: `J. R. R. Tolkien`.
pub fn unlinked(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut before = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        out.push(c);
        let digit = before.is_some_and(|before: char| before.is_ascii_digit());
        let holds = rest.peek().is_some_and(|next| match c {
            '.' | '\u{2024}' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}' => {
                !next.is_whitespace() && *next != '.' && !(digit && next.is_ascii_digit())
            }
            ':' | '\u{ff1a}' => !(next.is_whitespace() || digit && next.is_ascii_digit()),
            '\\' | '\u{ff3c}' => *next == c,
            _ => false,
        });
        if holds {
            out.push(' ');
        }
        before = Some(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn invisible_characters_are_removed_from_names() {
        for (typed, expected) in [
            ("Ada Example", "Ada Example"),
            ("Jose\u{301}", "José"),
            ("  Ada ", "  Ada "),
            ("A\u{200b}d\u{2060}a\u{feff}", "Ada"),
            ("\u{202e}ada\u{202c}", "ada"),
            ("\u{2066}ada\u{2069}\u{200e}\u{200f}\u{61c}", "ada"),
            ("Ada\nBcc: x", "Ada Bcc: x"),
            ("Ada\u{2028}b\u{85}c", "Ada b c"),
            ("A\u{1b}[31mda", "A\u{fffd}[31mda"),
            ("A\u{9b}31m\0", "A\u{fffd}31m\u{fffd}"),
            ("a\u{e0061}\u{e007f}b", "ab"),
            ("a\u{e000}b\u{f0000}", "a\u{fffd}b\u{fffd}"),
            ("a\u{3164}\u{115f}\u{2800}b\u{ad}", "ab"),
            // Persian and Hindi use joiners, Latin does not.
            ("علی\u{200c}رضا", "علی\u{200c}رضا"),
            ("\u{200c}علی\u{200d}", "علی"),
            ("क्\u{200d}ष", "क्\u{200d}ष"),
            ("Ad\u{200d}a", "Ada"),
            ("Nguyễn Thị", "Nguyễn Thị"),
            ("O’Neill-Çelik 田中", "O’Neill-Çelik 田中"),
        ] {
            assert_eq!(name(typed), expected, "{typed:?}");
        }
        let zalgo = format!("a{}b", "\u{300}".repeat(50));
        assert!(name(&zalgo).chars().count() < 12);
    }

    #[test]
    fn truncated_names_are_marked_and_stay_distinct() {
        let long = "x".repeat(5_000);
        let cut = name(&long);
        assert_eq!((cut.chars().count(), cut.ends_with('…')), (LONGEST_NAME, true));
        assert_eq!(name(&"x".repeat(LONGEST_NAME)), "x".repeat(LONGEST_NAME));
        let address = marked(&format!("{long}@example.com"), LONGEST_ADDRESS);
        assert_eq!((address.chars().count(), address.ends_with('…')), (LONGEST_ADDRESS, true));
        // Dropped marks do not bring a long text back under the bound.
        assert!(name(&format!("Ada{}Example", "\u{200b}".repeat(5_000))).ends_with('…'));
    }

    #[test]
    fn an_address_is_kept_unchanged_or_refused() {
        for text in
            ["ada@example.com", "jose\u{301}@example.com", "ada.b+c@xn--exmple-cua.com", "line\nbreak"]
        {
            assert_eq!(marked(text, LONGEST_ADDRESS), text);
        }
        for text in
            ["a\u{200b}da@example.com", "ada@ex\u{202e}ample.com", "ada@example.com\u{0}", "\u{feff}ada"]
        {
            let marked = marked(text, LONGEST_ADDRESS);
            assert_eq!(marked.matches('\u{fffd}').count(), 1, "{marked:?}");
        }
    }

    #[test]
    fn a_simple_text_is_what_bounding_it_gives() {
        let texts = (0..=0x17f_u32).filter_map(char::from_u32).flat_map(|c| {
            [format!("{c}"), format!("a{c}b"), format!("{} {c}", "x".repeat(LONGEST_NAME - 3))]
        });
        for text in texts.chain([String::new(), "x".repeat(LONGEST_NAME), "x".repeat(LONGEST_NAME + 1)]) {
            assert_eq!(name(&text), any_name(&text), "{text:?}");
            for longest in [1, LONGEST_NAME, LONGEST_TEXT] {
                assert_eq!(marked(&text, longest), any_marked(&text, longest), "{text:?}");
            }
            let typed = json!({ "name": text, text.clone(): [{"x": text}], "n": 1, "none": null });
            let Value::Object(typed) = typed else { unreachable!() };
            assert_eq!(fields(typed.clone()), members(typed, 0), "{text:?}");
        }
    }

    #[test]
    fn fields_are_bounded_in_depth_count_and_length() {
        let deep = (0..40).fold(json!("x"), |inner, _| json!([inner]));
        let many: Fields = (0..2_000).map(|number| (format!("f{number}"), json!(number))).collect();
        let typed = json!({
            "first_name": "A\u{200b}da", "email": "a\u{200b}@b", "badge": "1\u{202e}2", "n": 1, "none": null,
            "inner": {"name": ["x\u{feff}"], "Email": "y\u{0}"}, "deep": deep, "many": many, "long": "x".repeat(9_000),
        });
        let Value::Object(typed) = typed else { unreachable!() };
        let bounded = Value::Object(fields(typed));
        for (place, expected) in [
            ("/first_name", json!("Ada")),
            ("/email", json!("a\u{fffd}@b")),
            ("/badge", json!("1\u{fffd}2")),
            ("/n", json!(1)),
            ("/none", json!(null)),
            ("/inner/name/0", json!("x")),
            ("/inner/Email", json!("y\u{fffd}")),
        ] {
            assert_eq!(bounded.pointer(place), Some(&expected), "{place}");
        }
        assert_eq!(bounded["many"].as_object().unwrap().len(), MOST_MEMBERS);
        assert_eq!(bounded["long"].as_str().unwrap().chars().count(), LONGEST_TEXT);
        assert!(bounded["deep"].to_string().len() < 60);
    }

    #[test]
    fn names_contain_nothing_that_clients_turn_into_links() {
        for (typed, expected) in [
            ("Ada Example", "Ada Example"),
            ("J.R.R. Tolkien", "J. R. R. Tolkien"),
            ("St. John 1.5 31.12.1990 10:30", "St. John 1.5 31.12.1990 10:30"),
            ("go to evil.example/login", "go to evil. example/login"),
            ("https://evil.example", "https: //evil. example"),
            ("HTTP://1.2.3.4/x", "HTTP: //1.2.3.4/x"),
            ("www.evil.example", "www. evil. example"),
            ("mailto:eve@evil.example", "mailto: eve@evil. example"),
            ("evil。example", "evil。 example"),
            ("evil．example", "evil． example"),
            ("tel:+4912345", "tel: +4912345"),
            ("\\\\evil\\share", "\\ \\evil\\share"),
            ("wait...", "wait..."),
            ("wait...what", "wait... what"),
            ("1.evil.example", "1. evil. example"),
        ] {
            assert_eq!(unlinked(typed), expected);
        }
    }

    #[test]
    fn control_characters_are_replaced_in_a_line() {
        for (typed, longest, expected) in [
            ("a\nb\tc  d", 10, "a b c d"),
            ("a\u{1b}]8;;x\u{7}b", 20, "a\u{fffd}]8;;x\u{fffd}b"),
            ("abcdef", 4, "abc…"),
            ("\u{202e}x", 4, "x"),
        ] {
            assert_eq!(one_line(typed, longest), expected, "{typed:?}");
        }
    }
}
