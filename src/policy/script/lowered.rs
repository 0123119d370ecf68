//! One clause in the form in which claims and the smallest change read it: how it is joined, what stands beside what,
//! and which fields it names. Whatever has no form here is a value that only the engine can work out.

use std::borrow::Cow;

use rhai::{AST, Expr, Stmt};

/// A part of a clause.
pub(super) struct Lowered<'a> {
    /// As the engine works it out.
    pub expr: &'a Expr,
    pub form: Form<'a>,
}

pub(super) enum Form<'a> {
    All(Vec<Lowered<'a>>),
    Any(Vec<Lowered<'a>>),
    Not(Box<Lowered<'a>>),
    Compare(Operator, &'a Expr, &'a Expr),
    /// Another function of something.
    Call,
    /// A constant, a field, or what a chain of them gives.
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
    /// The first has the second: `x in list` is `list.contains(x)`.
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

    /// The comparison with its sides exchanged.
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

/// The expression that a clause is.
pub(super) fn expression(ast: &AST) -> Option<Cow<'_, Expr>> {
    match ast.statements() {
        [Stmt::Expr(expr)] => Some(Cow::Borrowed(expr)),
        [Stmt::FnCall(call, position)] => Some(Cow::Owned(Expr::FnCall(call.clone(), *position))),
        _ => None,
    }
}

/// The field that an expression is, if it is nothing else: `user.manager.email`.
pub(super) fn field(expr: &Expr) -> Option<Vec<String>> {
    path(expr).filter(|(path, whole)| *whole && path.len() > 1).map(|(path, _)| path)
}

/// The fields along a chain, and whether it is nothing but those. Rhai nests chains to the right: `a.b.c`
/// is `a.(b.c)`.
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
