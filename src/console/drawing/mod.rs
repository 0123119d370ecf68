//! The drawing of a policy as a path: boxes of steps from left to right, branches below each other. For readers without
//! a picture, the same as a list of sentences.
//!
//! A page fills a member of its view with `draw(...)` and shows it with the macro of `drawing.html`:
//! `{% from "drawing.html" import drawing %}{{ drawing(view.path, "path") }}`; its style is `drawing.css`.
//!
//! | file | what |
//! |---|---|
//! | `tree` | from the graph of steps to a tree: a step that several branches reach is drawn once and referred to |
//! | `layout` | from the tree to places |
//! | `said` | the list of sentences |

mod layout;
mod said;
mod tree;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::api::steps::{RevisionSource, StepLine};

/// What a case has done. Steps are known by their paths.
#[derive(Debug, Clone, Default)]
pub struct Taken {
    /// Steps that began, each with its outcome if it ended with one.
    pub steps: BTreeMap<String, Option<String>>,
    /// The step at which the case is.
    pub now: Option<String>,
    /// A short text for the step at which the case is, such as its deadline.
    pub note: Option<String>,
}

impl Taken {
    fn has(&self, step: &StepLine) -> bool {
        self.steps.contains_key(&step.path) || self.is_now(step)
    }

    fn is_now(&self, step: &StepLine) -> bool {
        self.now.as_deref() == Some(step.path.as_str())
    }

    /// Whether the case went from a step by this outcome to another step.
    fn went(&self, from: &StepLine, outcome: Option<&str>, to: &StepLine) -> bool {
        let ended = self.steps.get(&from.path).map(|ended| ended.as_deref());
        match (ended, outcome) {
            (Some(Some(ended)), Some(outcome)) => ended == outcome && self.has(to),
            (Some(_), None) => self.has(to),
            (Some(None), Some(_)) | (None, _) => false,
        }
    }
}

/// A drawing, as its template reads it. Lengths are pixels.
#[derive(Debug, Default, Serialize)]
pub struct Drawing {
    width: usize,
    height: usize,
    boxes: Vec<Block>,
    ways: Vec<Way>,
    /// The same in sentences.
    said: Vec<String>,
}

/// A box of steps that follow each other.
#[derive(Debug, Serialize)]
struct Block {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
    /// A reference to a step that is drawn elsewhere.
    reference: bool,
    taken: bool,
    lines: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    x: usize,
    y: usize,
    verb: String,
    /// Cut to the width of the box.
    text: String,
    /// Everything.
    title: String,
    /// The kind of the step: `adverse`, `asks`, `ends`, `decides` or `plain`.
    kind: &'static str,
    /// `taken`, `now` or empty.
    state: &'static str,
}

/// A line between two boxes.
#[derive(Debug, Serialize)]
struct Way {
    /// SVG path data.
    d: String,
    label: String,
    /// The whole label.
    title: String,
    x: usize,
    y: usize,
    taken: bool,
}

/// Draws a revision, with the steps that a case has taken.
pub fn draw(source: &RevisionSource, taken: &Taken) -> Drawing {
    let tree = tree::of(source);
    let mut drawing = layout::place(source, &tree, taken);
    drawing.said = said::all(source, taken);
    drawing
}

#[cfg(test)]
mod tests;
