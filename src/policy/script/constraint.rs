//! Derives constraints from conditions: comparisons of fields with known values. They decide without facts whether a
//! condition can ever hold, or ever fail. An expression that is not understood gives no constraint.

use rhai::Expr;
use serde_json::Value;

use super::check::error_at;
use super::lowered::{Form, Lowered, Operator, expression, field};
use super::{Clause, Condition, Text, Tree};
use crate::model::Fields;
use crate::policy::diagnostic::Place;

/// A constraint on fields.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    Is(bool),
    Compare(Comparison),
    All(Vec<Claim>),
    Any(Vec<Claim>),
    Not(Box<Claim>),
    /// Depends on a value that is not analyzed here.
    Unknown,
}

/// A comparison of a field with a known value.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Such as `user.status`.
    pub path: String,
    pub by: By,
    pub value: Value,
    /// The place of the value.
    pub place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Equal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    /// The field is one of the values.
    Among,
    /// The field is a list that has the value.
    Has,
}

/// A clause with its constraint, or several joined clauses.
#[derive(Debug, Clone, PartialEq)]
pub enum Claims {
    Clause { claim: Claim, place: Place },
    All(Vec<Claims>),
    Any(Vec<Claims>),
    None(Vec<Claims>),
}

impl Claims {
    /// Returns all clauses as one constraint.
    pub fn whole(&self) -> Claim {
        let whole = |parts: &[Self]| parts.iter().map(Self::whole).collect();
        match self {
            Self::Clause { claim, .. } => claim.clone(),
            Self::All(parts) => Claim::All(whole(parts)),
            Self::Any(parts) => Claim::Any(whole(parts)),
            Self::None(parts) => Claim::Not(Box::new(Claim::Any(whole(parts)))),
        }
    }
}

impl Condition {
    /// Returns the constraints of its clauses; settings are known values. None: there is no condition.
    pub fn claims(&self, settings: &Fields) -> Option<Claims> {
        self.tree.as_ref().map(|(_, tree)| tree.claims(settings))
    }
}

impl Tree {
    fn claims(&self, settings: &Fields) -> Claims {
        let all = |trees: &[Self]| trees.iter().map(|tree| tree.claims(settings)).collect();
        match self {
            Self::Clause(Clause { place, ast, .. }) => {
                let reading = Reading { settings, place };
                let expr = ast.as_ref().and_then(expression);
                let claim = expr.map_or(Claim::Unknown, |expr| reading.claim(&Lowered::of(&expr)));
                Claims::Clause { claim, place: place.clone() }
            }
            Self::All(trees) => Claims::All(all(trees)),
            Self::Any(trees) => Claims::Any(all(trees)),
            Self::None(trees) => Claims::None(all(trees)),
        }
    }
}

impl Text {
    /// Returns the text, if it is the same in every case: it depends on settings at most.
    pub fn known(&self, settings: &Fields) -> Option<String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                super::Part::Literal(literal) => text.push_str(literal),
                super::Part::Expression(clause) => {
                    let reading = Reading { settings, place: &clause.place };
                    let value = reading.value(&*clause.ast.as_ref().and_then(expression)?)?;
                    text.push_str(value.as_str()?);
                }
            }
        }
        Some(text)
    }
}

impl Text {
    /// Returns the field, if the text consists only of its value: `${event.role}`.
    pub fn field(&self) -> Option<String> {
        match self.parts.as_slice() {
            [super::Part::Expression(clause)] => path(&*clause.ast.as_ref().and_then(expression)?),
            _ => None,
        }
    }
}

/// Returns a placeholder for the unknown value of a field. No value of a fact equals it.
pub fn field_value(path: &str) -> Value {
    serde_json::json!({"the value of": path})
}

struct Reading<'a> {
    settings: &'a Fields,
    place: &'a Place,
}

impl Reading<'_> {
    fn claim(&self, part: &Lowered<'_>) -> Claim {
        match &part.form {
            Form::All(parts) => Claim::All(parts.iter().map(|part| self.claim(part)).collect()),
            Form::Any(parts) => Claim::Any(parts.iter().map(|part| self.claim(part)).collect()),
            Form::Not(of) => Claim::Not(Box::new(self.claim(of))),
            Form::Compare(operator, left, right) => self.comparison(*operator, left, right),
            Form::Call => Claim::Unknown,
            Form::Value => match self.value(part.expr) {
                Some(Value::Bool(is)) => Claim::Is(is),
                Some(_) | None => path(part.expr).map_or(Claim::Unknown, |path| {
                    let place = self.at(part.expr);
                    Claim::Compare(Comparison { path, by: By::Equal, value: Value::Bool(true), place })
                }),
            },
        }
    }

    fn comparison(&self, operator: Operator, left: &Expr, right: &Expr) -> Claim {
        let (a, b) = (self.value(left), self.value(right));
        let contains = operator == Operator::Contains;
        let by = match if a.is_some() { operator.mirrored() } else { operator } {
            Operator::Equal => By::Equal,
            Operator::Unequal => {
                return Claim::Not(Box::new(self.comparison(Operator::Equal, left, right)));
            }
            Operator::Less => By::Less,
            Operator::LessOrEqual => By::LessOrEqual,
            Operator::More => By::More,
            Operator::MoreOrEqual => By::MoreOrEqual,
            Operator::Contains if a.is_some() => By::Among,
            Operator::Contains => By::Has,
        };
        let (field, value, at) = match (a, b) {
            (Some(a), Some(b)) if contains => return known(By::Among, &b, &a),
            // `by` was mirrored above, where the left side is the known one.
            (Some(a), Some(b)) => return known(by, &b, &a),
            (Some(a), None) => (right, a, left),
            (None, Some(b)) => (left, b, right),
            // A list that contains another field's value: the placeholder of the field replaces the value.
            (None, None) if contains => {
                let (Some(list), Some(of)) = (path(left), path(right)) else { return Claim::Unknown };
                let value = field_value(&of);
                return Claim::Compare(Comparison { path: list, by: By::Has, value, place: self.at(right) });
            }
            (None, None) => return Claim::Unknown,
        };
        let texts = by == By::Among && !value.is_array();
        match path(field).filter(|_| !texts) {
            Some(path) => Claim::Compare(Comparison { path, by, value, place: self.at(at) }),
            None => Claim::Unknown,
        }
    }

    fn at(&self, expr: &Expr) -> Place {
        let length = match expr {
            Expr::StringConstant(text, _) => text.chars().count() + 2,
            _ => 1,
        };
        error_at(self.place, expr.start_position(), length, "", String::new(), None).place
    }

    /// Returns the value of an expression that is constant over all cases.
    fn value(&self, expr: &Expr) -> Option<Value> {
        Some(match expr {
            Expr::StringConstant(text, _) => Value::from(text.as_str()),
            Expr::IntegerConstant(number, _) => Value::from(*number),
            Expr::FloatConstant(number, _) => Value::from(**number),
            Expr::BoolConstant(is, _) => Value::from(*is),
            Expr::Unit(_) => Value::Null,
            Expr::Array(items, _) => {
                Value::Array(items.iter().map(|item| self.value(item)).collect::<Option<_>>()?)
            }
            Expr::Dot(..) | Expr::Index(..) => {
                let path = path(expr)?;
                let mut parts = path.strip_prefix("settings.")?.split('.');
                let first = self.settings.get(parts.next()?)?;
                let value = parts.try_fold(first, |value, part| value.get(part))?;
                // Objects are never compared, and null has no type here.
                (!value.is_object() && !value.is_null()).then(|| value.clone())?
            }
            _ => return None,
        })
    }
}

fn known(by: By, left: &Value, right: &Value) -> Claim {
    judge(by, left, right).map_or(Claim::Unknown, Claim::Is)
}

/// Compares two known values. None: the comparison is an error or is unknown.
pub fn judge(by: By, left: &Value, right: &Value) -> Option<bool> {
    let order = || -> Option<std::cmp::Ordering> {
        match (left, right) {
            (Value::Number(left), Value::Number(right)) => left.as_f64()?.partial_cmp(&right.as_f64()?),
            (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
            _ => None,
        }
    };
    Some(match by {
        By::Equal => same(left, right),
        By::Less => order()?.is_lt(),
        By::LessOrEqual => order()?.is_le(),
        By::More => order()?.is_gt(),
        By::MoreOrEqual => order()?.is_ge(),
        By::Among => right.as_array()?.iter().any(|one| same(left, one)),
        By::Has => left.as_array()?.iter().any(|one| same(one, right)),
    })
}

fn same(left: &Value, right: &Value) -> bool {
    match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => left == right,
        _ => left == right,
    }
}

/// Returns a path such as `user.manager.email`.
fn path(expr: &Expr) -> Option<String> {
    field(expr).map(|path| path.join("."))
}
