//! Clauses with the values that they read.

use crate::api::all;
use crate::api::explain::{ClauseAnswer, ClauseLine, Compared, EditLine, Needs, Seen};
use crate::case::comparison::Forms;
use crate::policy::script;

impl From<script::Traced> for ClauseLine {
    fn from(traced: script::Traced) -> Self {
        // Only clauses that stopped something are shown.
        let script::Traced { clause, file, line, column, answer, stopped: _, error, values } = traced;
        Self { clause, file, line, column, answer: answer.into(), error, values: all(values) }
    }
}

impl From<script::Answer> for ClauseAnswer {
    fn from(answer: script::Answer) -> Self {
        match answer {
            script::Answer::Holds => Self::Holds,
            script::Answer::Fails => Self::Fails,
            script::Answer::Error => Self::Error,
        }
    }
}

impl From<script::Seen> for Seen {
    fn from(script::Seen { path, value }: script::Seen) -> Self {
        Self { path, value }
    }
}

impl From<script::Edit> for EditLine {
    fn from(edit: script::Edit) -> Self {
        let says = edit.text();
        let script::Edit { path, is, needs, than, setting } = edit;
        Self { path, is, needs: needs.into(), than, setting, says }
    }
}

impl From<script::Needs> for Needs {
    fn from(needs: script::Needs) -> Self {
        match needs {
            script::Needs::Is => Self::Is,
            script::Needs::IsNot => Self::IsNot,
            script::Needs::Above => Self::Above,
            script::Needs::AtLeast => Self::AtLeast,
            script::Needs::Below => Self::Below,
            script::Needs::AtMost => Self::AtMost,
            script::Needs::OneOf => Self::OneOf,
            script::Needs::NoneOf => Self::NoneOf,
            script::Needs::Contains => Self::Contains,
            script::Needs::ContainsNot => Self::ContainsNot,
        }
    }
}

impl From<Forms> for Compared {
    fn from(Forms { field, registered, document }: Forms) -> Self {
        Self { field, registered, document }
    }
}
