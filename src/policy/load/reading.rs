//! Reads values from a tree that the grammar has already checked. A missing or wrong value is none here, because the
//! grammar has reported it.

use std::str::FromStr as _;

use crate::model::Span;
use crate::policy::diagnostic::Place;
use crate::policy::script::ConditionSource;
use crate::policy::source::{Data, Node};
use crate::policy::tree::Retry;

/// Returns the place of a key's value, or of the whole node if the key is missing.
pub fn at<'a>(node: &'a Node, key: &str) -> &'a Place {
    node.get(key).map_or(&node.place, |value| &value.place)
}

pub trait Reading {
    fn span(&self, key: &str) -> Option<Span>;
    /// Returns the texts of a list, or the single text in its place.
    fn texts(&self, key: &str) -> Vec<String>;
    fn number(&self, key: &str) -> Option<u32>;
    fn retry(&self) -> Option<Retry>;
    fn condition(&self, key: &str) -> Option<ConditionSource>;
}

impl Reading for Node {
    fn span(&self, key: &str) -> Option<Span> {
        match self.text_of(key)? {
            "0" => Some(Span::ZERO),
            text => Span::from_str(text).ok(),
        }
    }

    fn texts(&self, key: &str) -> Vec<String> {
        let items = self.get(key).map(Self::one_or_many).unwrap_or_default();
        items.iter().filter_map(|item| item.text().map(str::to_owned)).collect()
    }

    fn number(&self, key: &str) -> Option<u32> {
        u32::try_from(self.get(key)?.scalar()?.integer()?).ok()
    }

    fn retry(&self) -> Option<Retry> {
        let retry = self.get("retry")?;
        Some(Retry {
            attempts: retry.number("attempts")?,
            first: retry.span("first")?,
            longest: retry.span("longest")?,
        })
    }

    fn condition(&self, key: &str) -> Option<ConditionSource> {
        condition(self.get(key)?)
    }
}

fn condition(node: &Node) -> Option<ConditionSource> {
    match &node.data {
        Data::Scalar(scalar) => (!scalar.is_null() && !scalar.text.contains("${"))
            .then(|| ConditionSource::Clause { source: scalar.text.clone(), place: node.text_place() }),
        Data::List(items) => Some(ConditionSource::All(items.iter().filter_map(condition).collect())),
        Data::Map(entries) => {
            let (key, value) = entries.first()?;
            let items = value.list()?.iter().filter_map(condition).collect();
            match key.name.as_str() {
                "all" => Some(ConditionSource::All(items)),
                "any" => Some(ConditionSource::Any(items)),
                "none" => Some(ConditionSource::None(items)),
                _ => None,
            }
        }
    }
}
