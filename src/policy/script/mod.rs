//! Clauses, functions and `${...}`: everything that Rhai evaluates. Pure: takes copies of the facts, returns a checked
//! result, and never turns an error into "false".
//!
//! | file | what |
//! |---|---|
//! | `compile` | sources to checked programs |
//! | `check` | the walk over every field that an expression names |
//! | `calls` | which functions are called, and whether they exist |
//! | `flow` | data flow: needed values that are missing, values that are not used |
//! | `bodies` | the functions of a script, and their possible ends |
//! | `choice` | `switch`, which compares by hash |
//! | `rewrite` | the source that is compiled in place of the written one |
//! | `foreign_syntax` | hints for syntax of other languages |
//! | `lowered` | a clause in the form that `constraint` and `change` use |
//! | `constraint` | constraints from comparisons of fields with known values |
//! | `empty` | fields that may be empty in ordering comparisons |
//! | `results` | the literals with which a function can end |
//! | `names` | the fields that an expression reads |
//! | `reads` | the fields that a condition names, and copies of only these |
//! | `trace` | why a condition held or not, clause by clause, with values |
//! | `change` | the smallest change that would have made it hold |
//! | `natives` | argument and result types of Rhai's functions |
//! | `types` | the type of an expression |
//! | `shape` | the type of a value, as far as it is known at load |
//! | `facts` | facts as values of the script language |
//! | `data` | attributes, bodies and actions, as written and as evaluated |
//! | `values` | times, dates, durations, and comparisons that refuse mixed types |
//! | `texts` | functions of texts, and texts with an empty value |
//! | `lists` | functions that call a closure |
//! | `engine` | packages and limits |
//! | `mistake` | errors of the engine, without values |

mod bodies;
mod calls;
mod change;
pub(crate) mod check;
mod choice;
mod compile;
mod constraint;
mod data;
mod empty;
mod engine;
mod facts;
mod flow;
mod foreign_syntax;
mod lists;
mod lowered;
mod mistake;
mod names;
mod natives;
mod reads;
mod results;
mod rewrite;
mod shape;
mod texts;
mod trace;
mod types;
mod values;

use std::fmt;
use std::sync::Arc;

use percent_encoding::utf8_percent_encode;
use rhai::{AST, Dynamic, Engine, Scope};

pub use change::{Edit, Needs};
pub(in crate::policy) use compile::interpolations;
pub use compile::{Compiler, Ended};
pub use constraint::{By, Claim, Claims, Comparison, field_value, judge};
pub use data::Data;
pub(in crate::policy) use facts::roots;
pub use names::Look;
pub(in crate::policy) use names::sayable;
pub(in crate::policy) use shape::Shape;
pub use trace::{Answer, Seen, Trace, Traced};

use self::engine::guarded;
use self::facts::Outline;
use self::reads::Reads;
use self::values::{type_word, written};
use super::diagnostic::Place;
use crate::model::{Event, EventType, Fields, Subject, SubjectKind, Timestamp, UNRESERVED, Vocabulary};

/// The facts that a script can read.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub event: Option<&'a Event>,
    pub subject: &'a Subject,
    pub settings: &'a Fields,
    /// `steps.<id>`: results of finished steps.
    pub steps: &'a Fields,
    pub this_case: &'a Fields,
    pub now: Timestamp,
}

/// An error that kept a script from deciding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct ScriptError {
    pub place: Place,
    /// Contains no values of fields, and can therefore be logged.
    pub message: String,
}

/// Whether a condition holds, and if not, which clause failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Holds,
    Fails {
        clause: String,
        place: Place,
        /// The place of its first clause among all clauses of the condition; it identifies what failed.
        number: usize,
    },
}

/// Clauses as written in a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConditionSource {
    /// `place` is the place of the first character of `source`.
    Clause {
        source: String,
        place: Place,
    },
    All(Vec<ConditionSource>),
    Any(Vec<ConditionSource>),
    None(Vec<ConditionSource>),
}

/// The type of a step's result in `steps.<id>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepShape {
    Verify,
    Review,
    Call,
    Other,
    /// The verb is unknown; another diagnostic reports it.
    Unknown,
}

/// The names that the scripts of a policy may use.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub subject: SubjectKind,
    /// The event types that can open the policy's cases. If empty, only the fields of every event may be named.
    pub event_types: &'a [EventType],
    /// The names that providers use for their own events.
    pub words: &'a Vocabulary,
    /// True if a case can open without an event: by hand, or by a sweep.
    pub without_event: bool,
    pub settings: &'a Fields,
    pub steps: &'a [(String, StepShape)],
}

/// The engine of one policy with its script files, and the names that scripts see.
pub(crate) struct Program {
    /// Shared by all policies without script files.
    engine: Arc<Engine>,
    outline: Outline,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Program")
    }
}

impl Program {
    /// Evaluates one clause over the facts that it names.
    fn alone(&self, clause: &Clause, facts: &Facts<'_>) -> Result<Dynamic, ScriptError> {
        self.evaluate(clause, &self.outline.named(facts, &Reads::of_clauses([clause])))
    }

    fn evaluate(&self, clause: &Clause, scope: &Scope<'static>) -> Result<Dynamic, ScriptError> {
        let fail = |message: String| ScriptError { place: clause.place.clone(), message };
        let Some(ast) = &clause.ast else {
            return Err(fail("the expression has errors; `proofd check` lists them".to_owned()));
        };
        let mut scope = clause.needed(scope);
        guarded(|| self.engine.eval_ast_with_scope::<Dynamic>(&mut scope, ast))
            .map(Dynamic::flatten)
            .map_err(|mistake| fail(format!("could not be decided: {}", mistake.message)))
    }
}

#[derive(Clone)]
struct Clause {
    source: String,
    place: Place,
    /// None: the clause has an error, and evaluating it returns an error.
    ast: Option<AST>,
}

impl Clause {
    /// Copies the facts that the clause names: a script may change its copies, and the facts stay unchanged.
    fn needed(&self, scope: &Scope<'static>) -> Scope<'static> {
        let mut needed = Scope::new();
        for (name, _, value) in scope.iter_raw().filter(|(name, ..)| self.source.contains(name)) {
            needed.push_dynamic(name.to_owned(), value.clone());
        }
        needed
    }
}

impl fmt::Debug for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clause({} at {})", self.source, self.place)
    }
}

#[derive(Debug)]
enum Tree {
    Clause(Clause),
    All(Vec<Tree>),
    Any(Vec<Tree>),
    None(Vec<Tree>),
}

/// Clauses joined by `all`, `any` and `none`. The default always holds.
#[derive(Debug, Default)]
pub struct Condition {
    tree: Option<(Arc<Program>, Tree)>,
    reads: Reads,
}

impl Condition {
    /// Evaluates every clause over the facts; the first error takes precedence over any verdict.
    pub fn decide(&self, facts: &Facts<'_>) -> Result<Verdict, ScriptError> {
        let Some((program, tree)) = &self.tree else { return Ok(Verdict::Holds) };
        tree.decide(program, &program.outline.named(facts, &self.reads), &mut 0)
    }

    /// Returns what failed, by the number in a verdict: its text and its place. `None`: no such clause.
    pub fn clause(&self, number: usize) -> Option<(String, Place)> {
        let (_, tree) = self.tree.as_ref()?;
        match tree.failing(number, &mut 0)? {
            Verdict::Fails { clause, place, .. } => Some((clause, place)),
            Verdict::Holds => None,
        }
    }

    /// Returns the lines that must all hold, as written; empty if the condition always holds.
    pub fn clauses(&self) -> Vec<String> {
        let lines = |tree: &Tree| match tree {
            Tree::Clause(clause) => clause.source.clone(),
            Tree::All(_) => format!("all: {}", tree.sources().1.join("; ")),
            Tree::Any(_) => format!("any: {}", tree.sources().1.join("; ")),
            Tree::None(_) => format!("none: {}", tree.sources().1.join("; ")),
        };
        match &self.tree {
            None => Vec::new(),
            Some((_, Tree::All(trees))) => trees.iter().map(lines).collect(),
            Some((_, tree)) => vec![lines(tree)],
        }
    }
}

impl Tree {
    /// `at`: the number of the tree's first clause, and afterwards that of the next tree's.
    fn decide(
        &self,
        program: &Program,
        scope: &Scope<'static>,
        at: &mut usize,
    ) -> Result<Verdict, ScriptError> {
        let first = *at;
        let mut verdicts = |trees: &[Self]| -> Result<Vec<Verdict>, ScriptError> {
            trees.iter().map(|tree| tree.decide(program, scope, at)).collect()
        };
        Ok(match self {
            Self::Clause(clause) => {
                let value = program.evaluate(clause, scope)?;
                *at += 1;
                match value.as_bool() {
                    Ok(true) => Verdict::Holds,
                    Ok(false) => self.fails(first),
                    Err(_) => {
                        let message = format!(
                            "could not be decided: the clause is {}, not true or false",
                            type_word(&value)
                        );
                        return Err(ScriptError { place: clause.place.clone(), message });
                    }
                }
            }
            Self::All(trees) => {
                let verdicts = verdicts(trees)?;
                verdicts.into_iter().find(|verdict| *verdict != Verdict::Holds).unwrap_or(Verdict::Holds)
            }
            Self::Any(trees) => {
                if verdicts(trees)?.contains(&Verdict::Holds) {
                    Verdict::Holds
                } else {
                    self.fails(first)
                }
            }
            Self::None(trees) => {
                if verdicts(trees)?.contains(&Verdict::Holds) {
                    self.fails(first)
                } else {
                    Verdict::Holds
                }
            }
        })
    }

    /// Returns the verdict that this tree fails. `number`: that of its first clause.
    fn fails(&self, number: usize) -> Verdict {
        let (place, sources) = self.sources();
        let clause = match self {
            Self::Clause(clause) => clause.source.clone(),
            Self::All(_) => format!("all: {}", sources.join("; ")),
            Self::Any(_) => format!("any: {}", sources.join("; ")),
            Self::None(_) => format!("none: {}", sources.join("; ")),
        };
        Verdict::Fails { clause, place, number }
    }

    /// Returns the verdict that `decide` gives when the part with this number fails.
    fn failing(&self, number: usize, at: &mut usize) -> Option<Verdict> {
        let first = *at;
        match self {
            // The first part that fails is what fails in it.
            Self::All(trees) => trees.iter().find_map(|tree| tree.failing(number, at)),
            Self::Clause(_) | Self::Any(_) | Self::None(_) => {
                *at += self.clauses();
                (number == first).then(|| self.fails(first))
            }
        }
    }

    fn clauses(&self) -> usize {
        match self {
            Self::Clause(_) => 1,
            Self::All(trees) | Self::Any(trees) | Self::None(trees) => trees.iter().map(Self::clauses).sum(),
        }
    }

    /// Returns the clauses in the tree, and the place of the first.
    fn sources(&self) -> (Place, Vec<String>) {
        match self {
            Self::Clause(clause) => (clause.place.clone(), vec![clause.source.clone()]),
            Self::All(trees) | Self::Any(trees) | Self::None(trees) => {
                let mut parts = trees.iter().map(Self::sources);
                let Some((place, mut sources)) = parts.next() else { return (Place::default(), Vec::new()) };
                sources.extend(parts.flat_map(|(_, sources)| sources));
                (place, sources)
            }
        }
    }
}

/// A function of a `.rhai` file with its arguments.
#[derive(Debug, Default)]
pub struct Function {
    call: Option<(Arc<Program>, Clause)>,
}

impl Function {
    /// Returns the name that the function returns; the caller checks whether it is a declared one.
    pub fn choose(&self, facts: &Facts<'_>) -> Result<String, ScriptError> {
        let Some((program, clause)) = &self.call else {
            return Err(ScriptError { place: Place::default(), message: "missing function name".to_owned() });
        };
        let value = program.alone(clause, facts)?;
        let word = type_word(&value);
        value.into_string().map_err(|_| ScriptError {
            place: clause.place.clone(),
            message: format!("the function returned {word}; it must return one of the declared names"),
        })
    }

    /// Returns the call as written.
    pub fn source(&self) -> &str {
        self.call.as_ref().map_or("", |(_, clause)| clause.source.as_str())
    }
}

#[derive(Debug)]
enum Part {
    Literal(String),
    Expression(Clause),
}

/// Text with `${...}` in it.
#[derive(Debug, Default)]
pub struct Text {
    program: Option<Arc<Program>>,
    parts: Vec<Part>,
}

impl Text {
    /// Replaces every expression by its value. An empty value is an error, because the text would be incomplete.
    pub fn render(&self, facts: &Facts<'_>) -> Result<String, ScriptError> {
        self.render_with(facts, |value| value)
    }

    /// Renders the text as the path of a URL: values are escaped, and no value can add a path segment.
    pub fn render_path(&self, facts: &Facts<'_>) -> Result<String, ScriptError> {
        self.render_with(facts, |value| utf8_percent_encode(&value, &UNRESERVED).to_string())
    }

    /// Returns the text as written.
    pub fn source(&self) -> String {
        let part = |part: &Part| match part {
            Part::Literal(literal) => literal.clone(),
            Part::Expression(clause) => format!("${{{}}}", clause.source),
        };
        self.parts.iter().map(part).collect()
    }

    fn render_with(
        &self,
        facts: &Facts<'_>,
        escape: impl Fn(String) -> String,
    ) -> Result<String, ScriptError> {
        let Some(program) = &self.program else { return Ok(String::new()) };
        let expressions = self.parts.iter().filter_map(|part| match part {
            Part::Expression(clause) => Some(clause),
            Part::Literal(_) => None,
        });
        let scope = program.outline.named(facts, &Reads::of_clauses(expressions));
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Expression(clause) => {
                    let value = program.evaluate(clause, &scope)?;
                    let shown = shown(&value).map_err(|word| ScriptError {
                        place: clause.place.clone(),
                        message: format!(
                            "a value in the text is {word}; use a text, or add a default with \
                            ??"
                        ),
                    })?;
                    text.push_str(&escape(shown));
                }
            }
        }
        Ok(text)
    }
}

fn shown(value: &Dynamic) -> Result<String, &'static str> {
    if let Some(time) = value.clone().try_cast::<values::Time>() {
        return Ok(written(&time));
    }
    if value.is_unit() || value.is_array() || value.is_map() || value.is_fnptr() {
        return Err(type_word(value));
    }
    Ok(value.clone().try_cast::<values::Date>().map_or_else(|| value.to_string(), |date| date.0.to_string()))
}
