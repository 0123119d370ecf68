//! Traces why a condition held or not: every clause with its result, and the values that it read. The values are
//! personal data: they go to the store and to authorized readers, never to a log.

use std::collections::BTreeSet;
use std::fmt;

use rhai::{ASTNode, Dynamic, Expr, Scope};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::change::{Edit, smallest};
use super::data::json;
use super::lowered::path;
use super::values::type_word;
use super::{Clause, Condition, Facts, Program, Tree};

/// Longer texts and lists are cut: a trace explains a decision and is not a copy of the record.
const LONGEST: usize = 200;
const MOST_ITEMS: usize = 20;
const DEEPEST: usize = 4;

/// The clauses and values behind the result of a condition.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    pub clauses: Vec<Traced>,
    /// Sets of edits with which the condition would have held, all with the same number of edits.
    /// Empty: no comparison with a constant or a setting was decisive by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Vec<Edit>>,
}

/// One clause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Traced {
    pub clause: String,
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub answer: Answer,
    /// True if the clause, possibly among others, kept the condition from holding.
    pub stopped: bool,
    /// Why it could not be decided; without values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    pub values: Vec<Seen>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Holds,
    Fails,
    Error,
}

/// A field that a clause names, with its value.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    pub path: String,
    pub value: Value,
}

impl Seen {
    /// Builds the entry with the value cut to a size that can be stored.
    pub fn of(path: String, value: Value) -> Self {
        Self { path, value: cut(value) }
    }
}

/// Omits the value.
impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seen({})", self.path)
    }
}

impl Condition {
    /// Returns every clause with the values behind its result. Pure, and always consistent with `decide`.
    pub fn trace(&self, facts: &Facts<'_>) -> Trace {
        let Some((program, tree)) = &self.tree else { return Trace::default() };
        let scope = program.outline.named(facts, &self.reads);
        let mut clauses = Vec::new();
        tree.trace(program, &scope, &mut clauses);
        tree.stops(Answer::Holds, &mut clauses, &mut 0);
        let failed = tree.answered(&clauses, 0).0 == Answer::Fails;
        let changes = if failed { smallest(tree, program, &scope) } else { Vec::new() };
        Trace { clauses, changes }
    }
}

impl Trace {
    /// Keeps only the clauses that kept the condition from holding.
    pub fn of_the_end(mut self) -> Self {
        self.clauses.retain(|clause| clause.stopped);
        self
    }
}

impl Tree {
    fn trace(&self, program: &Program, scope: &Scope<'static>, into: &mut Vec<Traced>) {
        match self {
            Self::Clause(clause) => into.push(clause.trace(program, scope)),
            Self::All(trees) | Self::Any(trees) | Self::None(trees) => {
                trees.iter().for_each(|tree| tree.trace(program, scope, into));
            }
        }
    }

    /// Marks the clauses that kept the tree from the wanted result. A part with the wanted result gets no mark.
    fn stops(&self, wanted: Answer, clauses: &mut [Traced], at: &mut usize) {
        let (answer, after) = self.answered(clauses, *at);
        if answer == wanted {
            *at = after;
            return;
        }
        match self {
            Self::Clause(_) => {
                if let Some(traced) = clauses.get_mut(*at) {
                    traced.stopped = true;
                }
                *at = after;
            }
            Self::All(trees) | Self::Any(trees) => {
                trees.iter().for_each(|tree| tree.stops(wanted, clauses, at));
            }
            Self::None(trees) => trees.iter().for_each(|tree| tree.stops(wanted.not(), clauses, at)),
        }
    }

    /// Returns the tree's result, computed from its clauses' results, and the index of the next tree's clauses.
    fn answered(&self, clauses: &[Traced], at: usize) -> (Answer, usize) {
        let mut next = at;
        let mut each = |trees: &[Self]| -> Vec<Answer> {
            let answer = |tree: &Self| {
                let (answer, after) = tree.answered(clauses, next);
                next = after;
                answer
            };
            trees.iter().map(answer).collect()
        };
        let answer = match self {
            Self::Clause(_) => {
                return (clauses.get(at).map_or(Answer::Error, |traced| traced.answer), at + 1);
            }
            Self::All(trees) => joined(&each(trees), Answer::Fails, Answer::Fails),
            Self::Any(trees) => joined(&each(trees), Answer::Holds, Answer::Holds),
            Self::None(trees) => joined(&each(trees), Answer::Holds, Answer::Fails),
        };
        (answer, next)
    }
}

impl Answer {
    fn not(self) -> Self {
        match self {
            Self::Holds => Self::Fails,
            Self::Fails => Self::Holds,
            Self::Error => Self::Error,
        }
    }
}

/// Joins results: `decisive` among them gives `then`, its absence the opposite; an error gives an error.
fn joined(answers: &[Answer], decisive: Answer, then: Answer) -> Answer {
    match (answers.contains(&Answer::Error), answers.contains(&decisive)) {
        (true, _) => Answer::Error,
        (false, true) => then,
        (false, false) => then.not(),
    }
}

impl Clause {
    fn trace(&self, program: &Program, scope: &Scope<'static>) -> Traced {
        let (answer, error) = match program.evaluate(self, scope) {
            Ok(value) => match value.as_bool() {
                Ok(true) => (Answer::Holds, None),
                Ok(false) => (Answer::Fails, None),
                Err(_) => {
                    let word = type_word(&value);
                    (Answer::Error, Some(format!("the clause is {word}, not true or false")))
                }
            },
            Err(error) => (Answer::Error, Some(error.message)),
        };
        Traced {
            clause: self.source.clone(),
            file: self.place.file.clone(),
            line: self.place.line,
            column: self.place.column,
            answer,
            stopped: false,
            error,
            values: self.values(scope),
        }
    }

    /// Returns the fields that the clause names, in order. A record that is passed as a whole is not copied.
    fn values(&self, scope: &Scope<'static>) -> Vec<Seen> {
        let mut named = BTreeSet::new();
        let mut seen = Vec::new();
        let Some(ast) = &self.ast else { return seen };
        ast.walk(&mut |nodes: &[ASTNode<'_>]| {
            let Some(ASTNode::Expr(expr)) = nodes.last() else { return true };
            let whole_record = matches!(expr, Expr::Variable(variable, ..) if variable.1 != "now");
            if let Some((path, _)) = path(expr).filter(|_| !whole_record)
                && named.insert(path.clone())
            {
                let value = lookup(scope, &path).map_or(Value::Null, |value| shown(&value));
                seen.push(Seen { path: path.join("."), value });
            }
            true
        });
        seen
    }
}

/// Returns the value at a path of the facts.
pub(super) fn lookup(scope: &Scope<'_>, path: &[String]) -> Option<Dynamic> {
    let (root, fields) = path.split_first()?;
    let mut value = scope.get(root)?.clone();
    for field in fields {
        let next = value.read_lock::<rhai::Map>()?.get(field.as_str())?.clone();
        value = next;
    }
    Some(value)
}

/// Returns a value as plain data, cut to a readable size.
pub(super) fn shown(value: &Dynamic) -> Value {
    json(value, DEEPEST).map_or_else(|word| Value::from(format!("({word})")), cut)
}

fn cut(value: Value) -> Value {
    match value {
        Value::String(text) if text.chars().count() > LONGEST => {
            Value::String(text.chars().take(LONGEST).chain(['…']).collect())
        }
        Value::Array(items) if items.len() > MOST_ITEMS => {
            let more = items.len() - MOST_ITEMS;
            let first = items.into_iter().take(MOST_ITEMS).map(cut);
            first.chain([Value::from(format!("… and {more} more"))]).collect()
        }
        Value::Array(items) => items.into_iter().map(cut).collect(),
        Value::Object(fields) => {
            fields.into_iter().take(MOST_ITEMS).map(|(name, value)| (name, cut(value))).collect()
        }
        other => other,
    }
}
