//! Clauses, functions and `${...}`: the four places where Rhai decides. Pure: copies of the facts go in,
//! a checked answer comes out, and an error is never "false".

use super::diagnostic::Place;
use crate::model::{Event, Fields, Subject, Timestamp};

/// What a script may look at.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub event: Option<&'a Event>,
    pub subject: &'a Subject,
    pub settings: &'a Fields,
    /// `steps.<id>`: what finished steps learned.
    pub steps: &'a Fields,
    pub this_case: &'a Fields,
    pub now: Timestamp,
}

/// A script could not decide.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct ScriptError {
    pub place: Place,
    /// Without values of fields, so that it can be logged.
    pub message: String,
}

/// Whether a condition holds, and if not, which clause said no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Holds,
    Fails { clause: String, place: Place },
}

/// Clauses joined by `all`, `any` and `none`.
#[derive(Debug, Default)]
pub struct Condition {}

impl Condition {
    /// Every clause decided over the facts; the first error wins over any verdict.
    pub fn decide(&self, _facts: &Facts<'_>) -> Result<Verdict, ScriptError> {
        Ok(Verdict::Holds)
    }
}

/// A function of a `.rhai` file with the arguments it is called with.
#[derive(Debug, Default)]
pub struct Function {}

impl Function {
    /// One of the declared names, or an error.
    pub fn choose(&self, _facts: &Facts<'_>) -> Result<String, ScriptError> {
        Ok(String::new())
    }
}

/// Text with `${...}` in it.
#[derive(Debug, Default)]
pub struct Text {}

impl Text {
    pub fn render(&self, _facts: &Facts<'_>) -> Result<String, ScriptError> {
        Ok(String::new())
    }
}

/// Stub.
#[derive(Debug, Clone, PartialEq)]
pub enum ConditionSource {
    Clause { source: String, place: Place },
    All(Vec<ConditionSource>),
    Any(Vec<ConditionSource>),
    None(Vec<ConditionSource>),
}

/// Stub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepShape {
    Verify,
    Review,
    Call,
    Other,
}

/// Stub.
#[derive(Debug)]
pub struct Context<'a> {
    pub subject: crate::model::SubjectKind,
    pub event_types: &'a [crate::model::EventType],
    pub settings: &'a Fields,
    pub steps: &'a [(String, StepShape)],
}

/// Stub.
#[derive(Debug)]
pub struct Compiler {}

impl Compiler {
    pub fn new(
        _files: &[(String, String)],
        _context: Context<'_>,
        _diagnostics: &mut Vec<super::Diagnostic>,
    ) -> Self {
        Self {}
    }
    pub fn condition(
        &self,
        _source: &ConditionSource,
        _diagnostics: &mut Vec<super::Diagnostic>,
    ) -> Condition {
        Condition {}
    }
    pub fn function(
        &self,
        _call: &str,
        _place: &Place,
        _diagnostics: &mut Vec<super::Diagnostic>,
    ) -> Function {
        Function {}
    }
    pub fn text(&self, _text: &str, _place: &Place, _diagnostics: &mut Vec<super::Diagnostic>) -> Text {
        Text {}
    }
}
