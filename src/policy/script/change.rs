//! Finds the smallest change that would have made a condition hold. Only comparisons of a field with a constant or a
//! setting are changed. A change is reported only if the condition holds when it is evaluated again with the change.

use std::fmt;

use rhai::{AST, ASTNode, Dynamic, Engine, Expr, Module, Scope, Stmt};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::engine::guarded;
use super::lowered::{Form, Lowered, Operator, expression, field, path};
use super::trace::{lookup, shown};
use super::values::{Date, Duration, Time};
use super::{Clause, Program, Tree, Verdict};

/// The maximum number of alternatives that are examined, those with the fewest edits first.
const MOST_WAYS: usize = 64;
/// How many of the smallest alternatives are reported.
const NAMED: usize = 4;

/// A field that would need another value.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Edit {
    pub path: String,
    /// The current value.
    pub is: Value,
    pub needs: Needs,
    /// The constant that it is compared with.
    pub than: Value,
    /// The setting that provides the constant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setting: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Needs {
    Is,
    IsNot,
    Above,
    AtLeast,
    Below,
    AtMost,
    OneOf,
    NoneOf,
    Contains,
    ContainsNot,
}

/// Omits the values.
impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Edit({} {:?})", self.path, self.needs)
    }
}

impl Edit {
    /// Returns a sentence such as `event.score is 71; it would hold from 76`.
    pub fn text(&self) -> String {
        let than = value_text(&self.than);
        let needs = match (self.needs, self.than.is_null()) {
            (Needs::Is, true) => "if it were empty".to_owned(),
            (Needs::IsNot, true) => "if it were not empty".to_owned(),
            (Needs::Is, false) => format!("with {than}"),
            (Needs::IsNot | Needs::NoneOf, _) => format!("with anything but {than}"),
            (Needs::Above, _) => format!("above {than}"),
            (Needs::AtLeast, _) => format!("from {than}"),
            (Needs::Below, _) => format!("below {than}"),
            (Needs::AtMost, _) => format!("up to {than}"),
            (Needs::OneOf, _) => format!("with one of {than}"),
            (Needs::Contains, _) => format!("if it contained {than}"),
            (Needs::ContainsNot, _) => format!("if it did not contain {than}"),
        };
        let setting = self.setting.as_ref().map(|path| format!(" ({path})")).unwrap_or_default();
        format!("{} is {}; it would hold {needs}{setting}", self.path, value_text(&self.is))
    }
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Null => "empty".to_owned(),
        Value::String(text) if text.is_empty() => "an empty text".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "an empty list".to_owned(),
        Value::Array(items) => items.iter().map(value_text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// An edit, with a value to test it.
#[derive(Clone)]
struct Way {
    edit: Edit,
    path: Vec<String>,
    value: Dynamic,
}

/// Sets of edits, each sufficient by itself. None: no edit is known.
type Ways = Option<Vec<Vec<Way>>>;

pub(super) fn smallest(tree: &Tree, program: &Program, scope: &Scope<'static>) -> Vec<Vec<Edit>> {
    let mut ways = ways(tree, true, program, scope).unwrap_or_default();
    ways.sort_by_key(Vec::len);
    let mut found: Vec<Vec<Edit>> = Vec::new();
    for way in ways {
        if found.len() == NAMED || found.first().is_some_and(|first| first.len() < way.len()) {
            break;
        }
        let edits: Vec<_> = way.iter().map(|one| one.edit.clone()).collect();
        if !way.is_empty() && !found.contains(&edits) && holds_with(tree, program, scope, &way) {
            found.push(edits);
        }
    }
    found
}

fn holds_with(tree: &Tree, program: &Program, scope: &Scope<'static>, way: &[Way]) -> bool {
    let mut scope = scope.clone();
    let set = way.iter().all(|one| put(&mut scope, &one.path, one.value.clone()));
    set && tree.decide(program, &scope, &mut 0) == Ok(Verdict::Holds)
}

fn put(scope: &mut Scope<'_>, path: &[String], value: Dynamic) -> bool {
    fn inside(at: &mut Dynamic, path: &[String], value: Dynamic) -> bool {
        let Some((field, rest)) = path.split_first() else {
            *at = value;
            return true;
        };
        let Some(mut map) = at.write_lock::<rhai::Map>() else { return false };
        map.get_mut(field.as_str()).is_some_and(|next| inside(next, rest, value))
    }
    let Some((root, rest)) = path.split_first() else { return false };
    scope.get_mut(root).is_some_and(|at| !rest.is_empty() && inside(at, rest, value))
}

fn ways(tree: &Tree, want: bool, program: &Program, scope: &Scope<'static>) -> Ways {
    let each = |trees: &[Tree], want| trees.iter().map(|tree| ways(tree, want, program, scope)).collect();
    match (tree, want) {
        (Tree::Clause(clause), _) => of_clause(clause, want, program, scope),
        (Tree::All(trees), true) => every(each(trees, true)),
        (Tree::All(trees), false) => some(each(trees, false)),
        (Tree::Any(trees), true) => some(each(trees, true)),
        (Tree::Any(trees), false) | (Tree::None(trees), true) => every(each(trees, false)),
        (Tree::None(trees), false) => some(each(trees, true)),
    }
}

/// Combines the edits of parts that must all change.
fn every(parts: Vec<Ways>) -> Ways {
    parts.into_iter().try_fold(vec![Vec::new()], |ways, part| {
        let part = part?;
        let mut both: Vec<Vec<Way>> = ways
            .iter()
            .flat_map(|way| part.iter().map(|more| way.iter().chain(more).cloned().collect()))
            .collect();
        both.sort_by_key(Vec::len);
        both.truncate(MOST_WAYS);
        Some(both)
    })
}

/// Collects the edits of parts of which one is enough.
fn some(parts: Vec<Ways>) -> Ways {
    let mut either: Vec<_> = parts.into_iter().flatten().flatten().collect();
    either.sort_by_key(Vec::len);
    either.truncate(MOST_WAYS);
    (!either.is_empty()).then_some(either)
}

fn of_clause(clause: &Clause, want: bool, program: &Program, scope: &Scope<'static>) -> Ways {
    let scope = clause.needed(scope);
    let turn = Turn { engine: &program.engine, scope: &scope };
    let expr = expression(clause.ast.as_ref()?)?;
    turn.part(&Lowered::of(&expr), want)
}

struct Turn<'a> {
    engine: &'a Engine,
    scope: &'a Scope<'static>,
}

/// One side of a comparison.
enum Side {
    Field(Vec<String>),
    Constant(Dynamic, Option<String>),
}

impl Turn<'_> {
    /// Evaluates a part of a clause with the engine.
    fn value(&self, expr: &Expr) -> Option<Dynamic> {
        let ast = AST::new([Stmt::Expr(Box::new(expr.clone()))], Module::new());
        let mut scope = self.scope.clone();
        let value = guarded(|| self.engine.eval_ast_with_scope::<Dynamic>(&mut scope, &ast)).ok()?;
        Some(value.flatten())
    }

    fn part(&self, part: &Lowered<'_>, want: bool) -> Ways {
        // A part that cannot be evaluated is not changed: its result is unknown.
        if self.value(part.expr)?.as_bool().ok()? == want {
            return Some(vec![Vec::new()]);
        }
        let each = |parts: &[Lowered<'_>]| parts.iter().map(|part| self.part(part, want)).collect();
        match (&part.form, want) {
            (Form::All(parts), true) | (Form::Any(parts), false) => every(each(parts)),
            (Form::All(parts), false) | (Form::Any(parts), true) => some(each(parts)),
            (Form::Not(inner), _) => self.part(inner, !want),
            (Form::Compare(operator, left, right), _) => self.comparison(*operator, left, right, want),
            (Form::Call, _) => None,
            (Form::Value, _) => {
                let Side::Field(path) = self.side(part.expr)? else { return None };
                self.edit(path, Needs::Is, want.into(), None, want.into())
            }
        }
    }

    fn side(&self, expr: &Expr) -> Option<Side> {
        if let Expr::Coalesce(parts, _) = expr {
            let [first, rest @ ..] = parts.as_slice() else { return None };
            let path = field(first).filter(|_| rest.iter().all(is_constant) && !is_constant(first))?;
            return Some(Side::Field(path));
        }
        if is_constant(expr) {
            let setting = path(expr).map(|(path, _)| path.join("."));
            return Some(Side::Constant(self.value(expr)?, setting));
        }
        field(expr).map(Side::Field)
    }

    fn comparison(&self, operator: Operator, left: &Expr, right: &Expr, want: bool) -> Ways {
        let (path, constant, setting, operator) = match (self.side(left)?, self.side(right)?) {
            (Side::Constant(list, setting), Side::Field(path)) if operator == Operator::Contains => {
                return self.one_of(path, list, setting, want);
            }
            (Side::Field(path), Side::Constant(constant, setting)) => (path, constant, setting, operator),
            (Side::Constant(constant, setting), Side::Field(path)) => {
                (path, constant, setting, operator.mirrored())
            }
            (Side::Field(_), Side::Field(_)) | (Side::Constant(..), Side::Constant(..)) => return None,
        };
        let needs = match (operator, want) {
            (Operator::Contains, _) => return self.holding(path, constant, setting, want),
            (Operator::Equal, true) | (Operator::Unequal, false) => Needs::Is,
            (Operator::Unequal, true) | (Operator::Equal, false) => Needs::IsNot,
            (Operator::More, true) | (Operator::LessOrEqual, false) => Needs::Above,
            (Operator::MoreOrEqual, true) | (Operator::Less, false) => Needs::AtLeast,
            (Operator::Less, true) | (Operator::MoreOrEqual, false) => Needs::Below,
            (Operator::LessOrEqual, true) | (Operator::More, false) => Needs::AtMost,
        };
        let tried = match needs {
            Needs::IsNot => other_than(&constant, lookup(self.scope, &path)),
            Needs::Above => moved(&constant, 1)?,
            Needs::Below => moved(&constant, -1)?,
            _ => constant.clone(),
        };
        self.edit(path, needs, constant, setting, tried)
    }

    fn one_of(&self, path: Vec<String>, list: Dynamic, setting: Option<String>, want: bool) -> Ways {
        let items = list.clone().try_cast::<rhai::Array>()?;
        let first = items.first()?.clone();
        if want {
            return self.edit(path, Needs::OneOf, list, setting, first);
        }
        let longest = items.iter().map(|item| item.to_string().len()).max().unwrap_or(0);
        let other = if first.is_string() { "x".repeat(longest + 1).into() } else { Dynamic::UNIT };
        self.edit(path, Needs::NoneOf, list, setting, other)
    }

    fn holding(&self, path: Vec<String>, item: Dynamic, setting: Option<String>, want: bool) -> Ways {
        let mut items = lookup(self.scope, &path)?.try_cast::<rhai::Array>()?;
        let needs = if want { Needs::Contains } else { Needs::ContainsNot };
        if want {
            items.push(item.clone());
        } else {
            items.retain(|one| shown(one) != shown(&item));
        }
        self.edit(path, needs, item, setting, items.into())
    }

    fn edit(
        &self,
        path: Vec<String>,
        needs: Needs,
        than: Dynamic,
        setting: Option<String>,
        value: Dynamic,
    ) -> Ways {
        let is = lookup(self.scope, &path).map_or(Value::Null, |value| shown(&value));
        let edit = Edit { path: path.join("."), is, needs, than: shown(&than), setting };
        Some(vec![vec![Way { edit, path, value }]])
    }
}

/// Reports whether an expression depends only on literals and settings. It is then constant, as scripts are pure.
fn is_constant(expr: &Expr) -> bool {
    let mut constant = true;
    expr.walk(&mut Vec::new(), &mut |nodes: &[ASTNode<'_>]| {
        if let Some(ASTNode::Expr(Expr::Variable(variable, ..))) = nodes.last() {
            constant &= variable.1 == "settings";
        }
        constant
    });
    constant
}

/// Returns a value just above or below of the same type; none for a type without order or on overflow.
fn moved(value: &Dynamic, by: i64) -> Option<Dynamic> {
    let day = chrono::TimeDelta::days(by);
    if let Ok(whole) = value.as_int() {
        return whole.checked_add(by).map(Dynamic::from);
    }
    if let Ok(fraction) = value.as_float() {
        return Some(Dynamic::from(if by > 0 { fraction + 1.0 } else { fraction - 1.0 }));
    }
    if let Some(time) = value.clone().try_cast::<Time>() {
        return time.0.checked_add_signed(day).map(|time| Dynamic::from(Time(time)));
    }
    if let Some(date) = value.clone().try_cast::<Date>() {
        return date.0.checked_add_signed(day).map(|date| Dynamic::from(Date(date)));
    }
    let length = value.clone().try_cast::<Duration>()?;
    length.0.checked_add(&day).map(|length| Dynamic::from(Duration(length)))
}

/// Returns a value that differs from this one, of the same type where the type matters.
fn other_than(value: &Dynamic, now: Option<Dynamic>) -> Dynamic {
    if let Ok(flag) = value.as_bool() {
        return (!flag).into();
    }
    if value.is_string() {
        return format!("{value}x").into();
    }
    if value.is_unit() {
        return now.filter(|now| !now.is_unit()).unwrap_or_else(|| "x".into());
    }
    moved(value, 1).unwrap_or(Dynamic::UNIT)
}
