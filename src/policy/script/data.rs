//! Values that a policy defines and a case evaluates: attributes, request bodies, data of events. Texts may contain
//! `${...}`; a text that consists of one expression keeps the type of its value.

use rhai::Dynamic;
use serde_json::{Map, Value};

use super::values::{Date, Duration, Time, type_word, written};
use super::{Clause, Compiler, Facts, Function, Part, ScriptError, Text};
use crate::model::{Fields, Span};
use crate::policy::diagnostic::{Diagnostic, Place};
use crate::policy::source::{self, Node};

/// The maximum nesting depth; no realistic list of actions is deeper.
const DEEPEST: usize = 16;

/// A value with expressions in it.
#[derive(Debug)]
pub enum Data {
    Fixed(Value),
    /// The bare word `now`: the time of the decision.
    Now,
    Text(Text),
    List(Vec<Data>),
    Map(Vec<(String, Data)>),
}

impl Data {
    /// Compiles a value. `now` is a keyword only in attributes, not in a request's body.
    pub fn compile(
        node: &Node,
        now_is_a_word: bool,
        compiler: &Compiler,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        match &node.data {
            source::Data::Scalar(scalar) if now_is_a_word && scalar.plain && scalar.text == "now" => {
                Self::Now
            }
            source::Data::Scalar(scalar) if scalar.text.contains("${") => {
                Self::Text(compiler.text(&scalar.text, &node.text_place(), diagnostics))
            }
            source::Data::Scalar(scalar) => {
                compiler.fixed(&scalar.text, &node.text_place(), diagnostics);
                Self::Fixed(node.json())
            }
            source::Data::List(items) => {
                let items =
                    items.iter().map(|item| Self::compile(item, now_is_a_word, compiler, diagnostics));
                Self::List(items.collect())
            }
            source::Data::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| {
                    (key.name.clone(), Self::compile(value, now_is_a_word, compiler, diagnostics))
                });
                Self::Map(entries.collect())
            }
        }
    }

    /// Returns the names in a map that have a value.
    pub fn names(&self) -> Vec<&str> {
        let Self::Map(entries) = self else { return Vec::new() };
        let given = entries.iter().filter(|(_, value)| !matches!(value, Self::Fixed(Value::Null)));
        given.map(|(name, _)| name.as_str()).collect()
    }

    /// Evaluates the value over the facts.
    pub fn value(&self, facts: &Facts<'_>) -> Result<Value, ScriptError> {
        Ok(match self {
            Self::Fixed(value) => value.clone(),
            Self::Now => Value::from(written(&Time(facts.now))),
            Self::Text(text) => text.value(facts)?,
            Self::List(items) => items.iter().map(|item| item.value(facts)).collect::<Result<_, _>>()?,
            Self::Map(_) => Value::Object(self.fields(facts)?),
        })
    }

    /// Returns the value as written, in one line.
    pub fn source(&self) -> String {
        match self {
            Self::Fixed(value) => value.to_string(),
            Self::Now => "now".to_owned(),
            Self::Text(text) => text.source(),
            Self::List(items) => {
                format!("[{}]", items.iter().map(Self::source).collect::<Vec<_>>().join(", "))
            }
            Self::Map(entries) => {
                let entries = entries.iter().map(|(name, value)| format!("{name}: {}", value.source()));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Evaluates the value of a map; any other value has no fields.
    pub fn fields(&self, facts: &Facts<'_>) -> Result<Fields, ScriptError> {
        let Self::Map(entries) = self else { return Ok(Map::new()) };
        entries.iter().map(|(name, data)| Ok((name.clone(), data.value(facts)?))).collect()
    }
}

impl Text {
    /// Evaluates the text: the value itself if it is one expression, else the rendered text.
    pub fn value(&self, facts: &Facts<'_>) -> Result<Value, ScriptError> {
        let ([Part::Expression(clause)], Some(program)) = (self.parts.as_slice(), &self.program) else {
            return self.render(facts).map(Value::String);
        };
        let value = program.alone(clause, facts)?;
        plain(&value, clause)
    }
}

impl Function {
    /// Returns the list that the function returns, as plain data.
    pub fn list(&self, facts: &Facts<'_>) -> Result<Vec<Value>, ScriptError> {
        let Some((program, clause)) = &self.call else {
            return Err(ScriptError { place: Place::default(), message: "missing function name".to_owned() });
        };
        let value = program.alone(clause, facts)?;
        match plain(&value, clause)? {
            Value::Array(items) => Ok(items),
            _ => Err(ScriptError {
                place: clause.place.clone(),
                message: format!(
                    "the function returned {}; it must return a list of actions",
                    type_word(&value)
                ),
            }),
        }
    }
}

fn plain(value: &Dynamic, clause: &Clause) -> Result<Value, ScriptError> {
    json(value, DEEPEST).map_err(|word| ScriptError {
        place: clause.place.clone(),
        message: format!("the value contains {word}, which cannot be stored"),
    })
}

pub(super) fn json(value: &Dynamic, depth: usize) -> Result<Value, &'static str> {
    if depth == 0 {
        return Err("lists or maps nested too deeply");
    }
    if value.is_unit() {
        return Ok(Value::Null);
    }
    if let Some(time) = value.clone().try_cast::<Time>() {
        return Ok(Value::from(written(&time)));
    }
    if let Some(date) = value.clone().try_cast::<Date>() {
        return Ok(Value::from(date.0.to_string()));
    }
    if let Some(length) = value.clone().try_cast::<Duration>() {
        return Ok(Value::from(Span::Elapsed(length.0).to_string()));
    }
    if let Ok(flag) = value.as_bool() {
        return Ok(Value::from(flag));
    }
    if let Ok(number) = value.as_int() {
        return Ok(Value::from(number));
    }
    if let Ok(number) = value.as_float() {
        return if number.is_finite() { Ok(Value::from(number)) } else { Err("not a number") };
    }
    if value.is_string() || value.is_char() {
        return Ok(Value::from(value.to_string()));
    }
    if let Some(items) = value.clone().try_cast::<rhai::Array>() {
        return items.iter().map(|item| json(item, depth - 1)).collect();
    }
    if let Some(map) = value.clone().try_cast::<rhai::Map>() {
        let fields = map.iter().map(|(name, value)| Ok((name.to_string(), json(value, depth - 1)?)));
        return fields.collect::<Result<Map<_, _>, _>>().map(Value::Object);
    }
    Err(type_word(value))
}
