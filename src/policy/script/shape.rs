//! Types of values as known at load: those of the schema, of settings, and of steps.

use std::collections::BTreeMap;

use serde_json::Value;

use super::StepShape;
use crate::model::Fields;
use crate::policy::schema::{self, Field, FieldType};

/// The type of a value, as far as it is known at load.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::policy) enum Shape {
    Empty,
    Text,
    Number,
    Bool,
    Time,
    Date,
    Duration,
    List,
    Map,
    Record(BTreeMap<String, Shape>),
    Any,
}

impl Shape {
    pub fn of_fields<'a>(fields: impl IntoIterator<Item = &'a Field>) -> Self {
        Self::Record(fields.into_iter().map(|f| (f.name.to_owned(), Self::of_type(f.kind))).collect())
    }

    fn of_type(kind: FieldType) -> Self {
        match kind {
            FieldType::Text => Self::Text,
            FieldType::Number => Self::Number,
            FieldType::Bool => Self::Bool,
            FieldType::Time => Self::Time,
            FieldType::Date => Self::Date,
            FieldType::List => Self::List,
            FieldType::Map => Self::Map,
            FieldType::Record(fields) => Self::of_fields(fields),
            FieldType::Any => Self::Any,
        }
    }

    fn of_value(value: &Value) -> Self {
        match value {
            Value::Null => Self::Any,
            Value::Bool(_) => Self::Bool,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::Text,
            Value::Array(_) => Self::List,
            Value::Object(fields) => Self::of_settings(fields),
        }
    }

    pub fn of_settings(settings: &Fields) -> Self {
        Self::Record(settings.iter().map(|(name, value)| (name.clone(), Self::of_value(value))).collect())
    }

    pub fn of_step(step: StepShape) -> Self {
        Self::of_fields(match step {
            StepShape::Verify => schema::VERIFY,
            StepShape::Review => schema::REVIEW,
            StepShape::Call => schema::CALL,
            StepShape::Other => schema::OTHER,
            StepShape::Unknown => return Self::Any,
        })
    }

    pub fn word(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Text => "text",
            Self::Number => "a number",
            Self::Bool => "true/false",
            Self::Time => "a time",
            Self::Date => "a date",
            Self::Duration => "a duration",
            Self::List => "a list",
            Self::Map | Self::Record(_) => "a map",
            Self::Any => "anything",
        }
    }

    /// Reports whether `==` between the two can be true or false, and not only an error.
    pub fn equatable(&self, other: &Self) -> bool {
        let kind = |shape: &Self| {
            std::mem::discriminant(&if matches!(shape, Self::Record(_)) { Self::Map } else { shape.clone() })
        };
        let open = |shape: &Self| matches!(shape, Self::Any | Self::Empty);
        open(self) || open(other) || kind(self) == kind(other)
    }

    /// Reports whether `<` between the two can be true or false, and not only an error.
    pub fn orderable(&self, other: &Self) -> bool {
        let possible = |shape: &Self| {
            matches!(shape, Self::Any | Self::Text | Self::Number | Self::Time | Self::Date | Self::Duration)
        };
        possible(self) && possible(other) && self.equatable(other)
    }
}
