//! Reads names in scripts and expressions. It uses the script language's lexer, which accepts incomplete expressions.

use rhai::{Engine, Token};

/// A token, reduced to the kinds that matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Name(String),
    Text(String),
    /// `fn`
    Function,
    /// `.` and `?.`
    Dot,
    /// `::`
    Colons,
    /// `(`
    Open,
    /// `)`
    Close,
    Comma,
    Other,
}

/// A piece with its line and column in the text, both from 1.
pub type Placed = (Piece, usize, usize);

pub fn pieces(text: &str) -> Vec<Placed> {
    let engine = Engine::new_raw();
    let input = [text];
    let (tokens, _) = engine.lex(&input);
    let piece = |token: Token| match token {
        Token::Identifier(name) | Token::Reserved(name) => Piece::Name(name.to_string()),
        Token::StringConstant(text) | Token::InterpolatedString(text) => Piece::Text(text.to_string()),
        Token::Fn => Piece::Function,
        Token::Period | Token::Elvis => Piece::Dot,
        Token::DoubleColon => Piece::Colons,
        Token::LeftParen => Piece::Open,
        Token::RightParen => Piece::Close,
        Token::Comma => Piece::Comma,
        _ => Piece::Other,
    };
    // After some errors the lexer would never end; no file has more tokens than characters.
    let placed = tokens.take(text.len() + 1).map(|(token, position)| {
        (piece(token), position.line().unwrap_or(1), position.position().unwrap_or(1))
    });
    placed.collect()
}

/// A name that an expression refers to, by the index of its piece.
#[derive(Debug, PartialEq, Eq)]
pub enum Spoken {
    /// From the piece with the namespace to the piece with the name.
    Function {
        namespace: usize,
        name: usize,
    },
    /// A call without a namespace; in a script, it calls a function of the same file.
    Beside(usize),
    Step(usize),
    Setting(usize),
}

pub fn spoken(pieces: &[Placed]) -> Vec<Spoken> {
    let kind = |at: Option<usize>| at.and_then(|at| pieces.get(at)).map(|(piece, ..)| piece);
    let mut found = Vec::new();
    for (at, (piece, ..)) in pieces.iter().enumerate() {
        if !matches!(piece, Piece::Name(_)) {
            continue;
        }
        let before = at.checked_sub(1);
        let earlier = at.checked_sub(2);
        match (kind(earlier), kind(before)) {
            (Some(Piece::Name(_)), Some(Piece::Colons)) => {
                found.extend(earlier.map(|namespace| Spoken::Function { namespace, name: at }));
            }
            (Some(Piece::Name(root)), Some(Piece::Dot)) => {
                let whole = kind(at.checked_sub(3)) != Some(&Piece::Dot);
                match root.as_str() {
                    "steps" if whole => found.push(Spoken::Step(at)),
                    "settings" if whole => found.push(Spoken::Setting(at)),
                    _ => {}
                }
            }
            (_, Some(Piece::Dot | Piece::Function | Piece::Colons)) => {}
            _ if kind(Some(at + 1)) == Some(&Piece::Open) => found.push(Spoken::Beside(at)),
            _ => {}
        }
    }
    found
}

/// Returns the functions that a script defines: the piece with the name, and the parameters as written.
pub fn functions(pieces: &[Placed]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, (piece, ..)) in pieces.iter().enumerate() {
        let name = pieces.get(at + 1).is_some_and(|(piece, ..)| matches!(piece, Piece::Name(_)));
        if *piece != Piece::Function || !name {
            continue;
        }
        let rest = pieces.iter().skip(at + 3).map(|(piece, ..)| piece);
        let parameters = rest.take_while(|piece| matches!(piece, Piece::Name(_) | Piece::Comma));
        let parameters: Vec<_> = parameters
            .filter_map(|piece| match piece {
                Piece::Name(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        found.push((at + 1, format!("({})", parameters.join(", "))));
    }
    found
}
