//! Collects the literals with which a script function can end, such as `"fraud"`, and not computed values.

use std::collections::BTreeMap;

use rhai::{Expr, Position};

use super::bodies::{self, Body, End};
use super::shape::Shape;
use super::types::Names;

/// Possible results of one function.
#[derive(Debug, Default)]
pub(super) struct Results {
    /// Texts, each with its place.
    pub texts: Vec<(String, Position)>,
    /// Values of other types, with the type in words.
    pub others: Vec<(&'static str, Position)>,
    /// The keys of the actions in its lists, one entry per action.
    pub actions: Vec<Vec<(String, Position)>>,
    /// True if all possible results are known.
    pub whole: bool,
}

/// Returns the results by the function's name and the number of its arguments.
pub(super) fn of_file(bodies: &[Body]) -> BTreeMap<(String, usize), Results> {
    let functions = bodies.iter().filter(|body| !body.is_closure());
    functions.map(|body| ((body.name.clone(), body.parameters.len()), of(body))).collect()
}

fn of(body: &Body) -> Results {
    let mut results = Results { whole: true, ..Results::default() };
    for end in bodies::ends(&body.statements) {
        let End::Value(value) = end else {
            results.whole = false;
            continue;
        };
        match value {
            Expr::StringConstant(text, at) => results.texts.push((text.to_string(), *at)),
            Expr::Array(items, _) => {
                results.actions.extend(items.iter().filter_map(action));
                results.other(value, Shape::List);
            }
            // Variables and arguments are not followed.
            _ => match Names::default().shape(value) {
                Ok(Shape::Any | Shape::Text) | Err(_) => results.whole = false,
                Ok(shape) => results.other(value, shape),
            },
        }
    }
    results
}

impl Results {
    fn other(&mut self, value: &Expr, shape: Shape) {
        self.others.push((shape.word(), value.start_position()));
    }
}

fn action(item: &Expr) -> Option<Vec<(String, Position)>> {
    let Expr::Map(entries, at) = item else { return None };
    Some(
        entries
            .0
            .iter()
            .map(|(key, _)| (key.name.to_string(), if key.pos.is_none() { *at } else { key.pos }))
            .collect(),
    )
}
