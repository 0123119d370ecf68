//! Makes `switch` type-safe. Rhai finds a case by hash: a character never matches a text and `1.0` never matches `1`.
//! A value of another type than the cases silently goes to `_`. Each `switch` is therefore compiled with a call around
//! its value that knows the types of the cases, and converts or refuses the value.

use rhai::{Dynamic, Engine, EvalAltResult, Position, Token};

use super::check::error_at;
use super::values::{raise, type_word};
use crate::policy::diagnostic::{Diagnostic, Place};

/// The function around the value of each `switch`; no script calls it.
pub(super) const CHOSEN: &str = "value_to_choose_by";

/// One `switch` of a source.
struct Switch {
    /// After the keyword, and before the brace of the cases.
    from: Position,
    to: Position,
    at: Position,
    kinds: Vec<Kind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Character,
    Whole,
    Fraction,
    Range,
    Boolean,
    Empty,
    Other,
}

impl Kind {
    /// Returns the letter for the type in the compiled source.
    fn letter(self) -> char {
        match self {
            Self::Text => 't',
            Self::Character => 'c',
            Self::Whole => 'w',
            Self::Fraction => 'f',
            Self::Range => 'r',
            Self::Boolean => 'b',
            Self::Empty => 'e',
            Self::Other => 'o',
        }
    }
}

/// Returns the inserts, with their positions, by which each `switch` compares a checked value.
pub(super) fn inserts(engine: &Engine, source: &str) -> Vec<(Position, String)> {
    let around = |one: &Switch| {
        let letters: String = one.kinds.iter().map(|kind| kind.letter()).collect();
        [(one.from, format!(" {CHOSEN}(")), (one.to, format!(", \"{letters}\") "))]
    };
    read(engine, source).iter().flat_map(around).collect()
}

/// Reports cases of types that no single value can be compared with.
pub(super) fn check(engine: &Engine, source: &str, place: &Place, found: &mut Vec<Diagnostic>) {
    for one in read(engine, source) {
        let has = |kind| one.kinds.contains(&kind);
        let message = if has(Kind::Other) {
            "a case is a text, a number, a range, true, false or ()"
        } else if has(Kind::Text) && has(Kind::Character) {
            "the cases mix texts (\"a\") and characters ('a')"
        } else if has(Kind::Whole) && has(Kind::Fraction) {
            "the cases mix whole numbers (1) and fractions (1.5)"
        } else {
            continue;
        };
        let help = "use one type for all cases, or use if and else with ==".to_owned();
        found.push(error_at(place, one.at, 6, "switch-types", message.to_owned(), Some(help)));
    }
}

fn read(engine: &Engine, source: &str) -> Vec<Switch> {
    if !source.contains("switch") {
        return Vec::new();
    }
    let tokens = tokens(engine, source);
    let mut found = Vec::new();
    for (at, (token, position)) in tokens.iter().enumerate() {
        if *token == Token::Switch
            && let Some((open, to)) = opening(&tokens, at + 1)
        {
            let from = Position::new(
                u16::try_from(position.line().unwrap_or(1)).unwrap_or(1),
                u16::try_from(position.position().unwrap_or(1) + 6).unwrap_or(1),
            );
            found.push(Switch { from, to, at: *position, kinds: kinds(&tokens, open + 1) });
        }
    }
    found
}

type Placed = (Token, Position);

fn tokens(engine: &Engine, source: &str) -> Vec<Placed> {
    let input = [source];
    let (tokens, control) = engine.lex(&input);
    let mut found: Vec<Placed> = Vec::new();
    // Open braces of values within a text; after the last one the text continues.
    let mut within: Vec<usize> = Vec::new();
    for (token, position) in tokens.take(source.len() + 1) {
        if token == Token::EOF {
            break;
        }
        let of_text = matches!(found.last(), Some((Token::InterpolatedString(_), _)));
        match &token {
            Token::LeftBrace if of_text => within.push(0),
            Token::LeftBrace | Token::MapStart => {
                within.iter_mut().rev().take(1).for_each(|depth| *depth += 1)
            }
            Token::RightBrace => match within.last_mut() {
                Some(0) => {
                    within.pop();
                    control.borrow_mut().is_within_text = true;
                }
                Some(depth) => *depth -= 1,
                None => {}
            },
            _ => {}
        }
        found.push((token, position));
    }
    found
}

/// Returns the change in bracket depth by a token.
fn depth(token: &Token) -> i32 {
    match token {
        Token::LeftParen
        | Token::LeftBracket
        | Token::LeftBrace
        | Token::MapStart
        | Token::QuestionBracket => 1,
        Token::RightParen | Token::RightBracket | Token::RightBrace => -1,
        _ => 0,
    }
}

/// Finds the brace that opens the cases.
fn opening(tokens: &[Placed], from: usize) -> Option<(usize, Position)> {
    let mut level = 0;
    for (at, (token, position)) in tokens.iter().enumerate().skip(from) {
        let of_text = matches!(tokens.get(at.wrapping_sub(1)), Some((Token::InterpolatedString(_), _)));
        if level == 0 && *token == Token::LeftBrace && at > from && !of_text {
            return Some((at, *position));
        }
        level += depth(token);
    }
    None
}

/// Returns the types of the cases that begin at a token.
fn kinds(tokens: &[Placed], from: usize) -> Vec<Kind> {
    let (mut level, mut start) = (0, from);
    let mut found = Vec::new();
    for (at, (token, _)) in tokens.iter().enumerate().skip(from) {
        if level == 0 && *token == Token::DoubleArrow {
            pattern(tokens.get(start..at).unwrap_or_default(), &mut found);
        }
        level += depth(token);
        if level < 0 {
            break;
        }
        if level == 0 && matches!(token, Token::Comma | Token::RightBrace) {
            start = at + 1;
        }
    }
    found.sort_by_key(|kind| kind.letter());
    found.dedup();
    found
}

/// Reads the part before `=>`: values separated by `|`, and a condition.
fn pattern(tokens: &[Placed], found: &mut Vec<Kind>) {
    let values = tokens.iter().map(|(token, _)| token).take_while(|token| **token != Token::If);
    let values: Vec<_> = values.collect();
    for value in values.split(|token| **token == Token::Pipe) {
        if value.iter().any(|token| matches!(token, Token::ExclusiveRange | Token::InclusiveRange)) {
            found.push(Kind::Range);
            continue;
        }
        found.extend(match value {
            [] | [Token::Underscore] => None,
            [Token::StringConstant(_)] => Some(Kind::Text),
            [Token::CharConstant(_)] => Some(Kind::Character),
            [Token::IntegerConstant(_)] | [_, Token::IntegerConstant(_)] => Some(Kind::Whole),
            [Token::FloatConstant(_)] | [_, Token::FloatConstant(_)] => Some(Kind::Fraction),
            [Token::True | Token::False] => Some(Kind::Boolean),
            [Token::Unit] | [Token::LeftParen, Token::RightParen] => Some(Kind::Empty),
            _ => Some(Kind::Other),
        });
    }
}

/// Registers the function that is put around the value of each `switch`.
pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn(CHOSEN, |value: Dynamic, kinds: rhai::ImmutableString| chosen(value.flatten(), &kinds));
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "only where nothing is lost"
)]
fn chosen(value: Dynamic, kinds: &str) -> Result<Dynamic, Box<EvalAltResult>> {
    let has = |letter: char| kinds.contains(letter);
    // There are no cases to match, or the cases only test for empty.
    if value.is_unit() || kinds.is_empty() || kinds == "e" {
        return Ok(value);
    }
    if let Ok(letter) = value.as_char() {
        return if has('t') { Ok(letter.to_string().into()) } else { fits(value, has('c')) };
    }
    if let Ok(text) = value.as_immutable_string_ref().map(|text| text.to_string()) {
        let mut letters = text.chars();
        return match (has('t'), has('c'), letters.next(), letters.next()) {
            (false, true, Some(letter), None) => Ok(letter.into()),
            (texts, characters, ..) => fits(value, texts || characters),
        };
    }
    if let Ok(whole) = value.as_int() {
        return if has('f') { Ok((whole as f64).into()) } else { fits(value, has('w') || has('r')) };
    }
    if let Ok(number) = value.as_float() {
        let whole = number.trunc() == number && number.abs() < 9e15;
        return if has('w') && whole {
            Ok((number as i64).into())
        } else {
            fits(value, has('w') || has('f') || has('r'))
        };
    }
    let fitting = value.is_bool() && has('b');
    fits(value, fitting)
}

fn fits(value: Dynamic, fits: bool) -> Result<Dynamic, Box<EvalAltResult>> {
    if fits {
        return Ok(value);
    }
    raise(format!("the value of a `switch` is {}, and its cases are of another type", type_word(&value)))
}
