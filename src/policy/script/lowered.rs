//! Lowers a clause to the form that constraints and the smallest change use: how its parts are joined, what is
//! compared, and which fields it names. An expression without a form here is a value that only the engine can evaluate.

use std::borrow::Cow;

use rhai::{AST, Expr, Stmt};

/// A part of a clause.
pub(super) struct Lowered<'a> {
    /// The expression that the engine evaluates.
    pub expr: &'a Expr,
    pub form: Form<'a>,
}

pub(super) enum Form<'a> {
    All(Vec<Lowered<'a>>),
    Any(Vec<Lowered<'a>>),
    Not(Box<Lowered<'a>>),
    Compare(Operator, &'a Expr, &'a Expr),
    /// A call of another function.
    Call,
    /// A constant, a field, or the value of a chain.
    Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    /// The left value contains the right one: `x in list` is `list.contains(x)`.
    Contains,
}

impl Operator {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "==" => Self::Equal,
            "!=" => Self::Unequal,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::More,
            ">=" => Self::MoreOrEqual,
            "contains" => Self::Contains,
            _ => return None,
        })
    }

    /// Returns the comparison with its sides exchanged.
    pub fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::More,
            Self::LessOrEqual => Self::MoreOrEqual,
            Self::More => Self::Less,
            Self::MoreOrEqual => Self::LessOrEqual,
            Self::Equal | Self::Unequal | Self::Contains => self,
        }
    }
}

impl<'a> Lowered<'a> {
    pub fn of(expr: &'a Expr) -> Self {
        let parts = |parts: &'a [Expr]| parts.iter().map(Self::of).collect();
        let form = match expr {
            Expr::And(of, _) => Form::All(parts(of)),
            Expr::Or(of, _) => Form::Any(parts(of)),
            Expr::FnCall(call, _) => match (Operator::of(&call.name), call.args.as_slice()) {
                (Some(operator), [left, right]) => Form::Compare(operator, left, right),
                (None, [of]) if call.name == "!" => Form::Not(Box::new(Self::of(of))),
                (Some(_) | None, _) => Form::Call,
            },
            Expr::Stmt(block) => match block.statements() {
                [Stmt::Expr(expr)] => return Self::of(expr),
                _ => Form::Value,
            },
            _ => Form::Value,
        };
        Self { expr, form }
    }
}

/// Returns the single expression of a clause.
pub(super) fn expression(ast: &AST) -> Option<Cow<'_, Expr>> {
    match ast.statements() {
        [Stmt::Expr(expr)] => Some(Cow::Borrowed(expr)),
        [Stmt::FnCall(call, position)] => Some(Cow::Owned(Expr::FnCall(call.clone(), *position))),
        _ => None,
    }
}

/// Returns the field, if the expression consists only of it: `user.manager.email`.
pub(super) fn field(expr: &Expr) -> Option<Vec<String>> {
    path(expr).filter(|(path, whole)| *whole && path.len() > 1).map(|(path, _)| path)
}

/// Returns the fields along a chain, and whether the chain has no other links. Rhai nests chains to the right:
/// `a.b.c` is `a.(b.c)`.
pub(super) fn path(expr: &Expr) -> Option<(Vec<String>, bool)> {
    let (Expr::Dot(pair, ..) | Expr::Index(pair, ..)) = expr else {
        let Expr::Variable(variable, ..) = expr else { return None };
        return variable.2.is_empty().then(|| (vec![variable.1.to_string()], true));
    };
    let Expr::Variable(variable, ..) = &pair.lhs else { return None };
    let mut path = vec![variable.1.to_string()];
    let mut rest = Some((&pair.rhs, matches!(expr, Expr::Index(..))));
    while let Some((rhs, index)) = rest {
        let goes_on = |lhs: &Expr| !index || matches!(lhs, Expr::StringConstant(..));
        let head = match rhs {
            Expr::Dot(pair, ..) if goes_on(&pair.lhs) => {
                rest = Some((&pair.rhs, false));
                &pair.lhs
            }
            Expr::Index(pair, ..) if goes_on(&pair.lhs) => {
                rest = Some((&pair.rhs, true));
                &pair.lhs
            }
            other => {
                rest = None;
                other
            }
        };
        match head {
            Expr::Property(property, _) if !index => path.push(property.2.to_string()),
            Expr::StringConstant(text, _) if index => path.push(text.to_string()),
            _ => return Some((path, false)),
        }
    }
    Some((path, true))
}
