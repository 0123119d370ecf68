//! Reads YAML to a tree in which every key and value has its place, with limits on size and depth. It is the one reader
//! of files that people edit: policies, their tests and the configuration. Scalars stay as written, and the caller
//! interprets them; thus `NO` is never false by accident. Must not know what a file is for.
//!
//! | file | what |
//! |---|---|
//! | `reader` | parser events to a tree, and the YAML features that are refused |
//! | `broken` | explanations for text that is not valid YAML |
//! | `conflict` | conflict markers that a merge left |

mod broken;
mod conflict;
mod reader;

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Number, Value};

pub use conflict::conflict;
pub use reader::read;

/// The maximum nesting depth; realistic files stay far below it.
const DEEPEST: usize = 64;

/// A place in a file. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    pub file: String,
    pub line: usize,
    pub column: usize,
    /// The length in characters, at least 1.
    pub length: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One error of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub place: Place,
    /// The word of its diagnosis, such as `duplicate-key`.
    pub code: &'static str,
    pub message: String,
    /// How to fix it. May quote the file.
    pub help: Option<String>,
}

impl Fault {
    fn new(place: Place, code: &'static str, message: impl Into<String>) -> Self {
        Self { place, code, message: message.into(), help: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub place: Place,
    pub data: Data,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    Scalar(Scalar),
    List(Vec<Node>),
    /// In the order of the file; keys are unique.
    Map(Vec<(Key, Node)>),
}

/// A scalar as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    pub text: String,
    /// Neither quoted nor a block: a YAML reader may interpret it as another type than text.
    pub plain: bool,
    /// Quoted; the quote is before its first character.
    pub quoted: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    pub name: String,
    pub place: Place,
}

impl Scalar {
    /// Reports whether the scalar is `~`, `null` or empty.
    pub fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    pub fn boolean(&self) -> Option<bool> {
        match self.text.as_str() {
            "true" if self.plain => Some(true),
            "false" if self.plain => Some(false),
            _ => None,
        }
    }

    pub fn integer(&self) -> Option<i64> {
        let digits = self.text.strip_prefix('-').unwrap_or(&self.text);
        // A leading zero means octal to some readers and decimal to others: not a number here.
        let canonical = digits == "0" || (!digits.starts_with('0') && !digits.is_empty());
        let number = self.plain && canonical && digits.bytes().all(|byte| byte.is_ascii_digit());
        number.then(|| self.text.parse().ok()).flatten()
    }

    pub fn float(&self) -> Option<f64> {
        let starts = self.text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.');
        let plausible = self.plain && starts && self.text.contains('.');
        plausible.then(|| self.text.parse().ok()).flatten().filter(|number: &f64| number.is_finite())
    }
}

impl Node {
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.data {
            Data::Scalar(scalar) => Some(scalar),
            Data::List(_) | Data::Map(_) => None,
        }
    }

    /// Returns a scalar's text, in any style; none for null.
    pub fn text(&self) -> Option<&str> {
        self.scalar().filter(|scalar| !scalar.is_null()).map(|scalar| scalar.text.as_str())
    }

    pub fn list(&self) -> Option<&[Node]> {
        match &self.data {
            Data::List(items) => Some(items),
            Data::Scalar(_) | Data::Map(_) => None,
        }
    }

    pub fn map(&self) -> Option<&[(Key, Node)]> {
        match &self.data {
            Data::Map(entries) => Some(entries),
            Data::Scalar(_) | Data::List(_) => None,
        }
    }

    /// Returns the value of a key, if this is a map with the key.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entry(name).map(|(_, value)| value)
    }

    pub fn entry(&self, name: &str) -> Option<&(Key, Node)> {
        self.map()?.iter().find(|(key, _)| key.name == name)
    }

    /// Returns the text under a key.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.get(name)?.text()
    }

    /// Returns the place of a scalar's first character, after a quote.
    pub fn text_place(&self) -> Place {
        let mut place = self.place.clone();
        if self.scalar().is_some_and(|scalar| scalar.quoted) {
            place.column += 1;
            place.length = place.length.saturating_sub(2).max(1);
        }
        place
    }

    /// Returns a list's items, or the single value in place of a list.
    pub fn one_or_many(&self) -> &[Node] {
        match &self.data {
            Data::List(items) => items,
            Data::Scalar(_) | Data::Map(_) => std::slice::from_ref(self),
        }
    }

    /// Returns the value as JSON, by the rules of YAML 1.2.
    pub fn json(&self) -> Value {
        match &self.data {
            Data::Scalar(scalar) if scalar.is_null() => Value::Null,
            Data::Scalar(scalar) => {
                let number = || scalar.float().and_then(Number::from_f64).map(Value::Number);
                let integer = || scalar.integer().map(Value::from);
                let boolean = scalar.boolean().map(Value::Bool);
                boolean.or_else(integer).or_else(number).unwrap_or_else(|| Value::from(scalar.text.clone()))
            }
            Data::List(items) => items.iter().map(Self::json).collect(),
            Data::Map(entries) => {
                let fields = entries.iter().map(|(key, value)| (key.name.clone(), value.json()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }
}
