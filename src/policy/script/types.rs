//! Infers the type of an expression, as far as it is known at load.

use rhai::{ASTFlags, Expr, FnCallExpr, Position, Stmt};

use super::check::nearest;
use super::facts::Outline;
use super::natives::{self, Gives};
use super::shape::Shape;

/// The names that an expression sees, with their types.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    /// None: inside a function, which sees only its arguments and variables.
    pub outline: Option<&'a Outline>,
    /// Variables of a function; the last one of a name counts.
    pub locals: Vec<(String, Shape)>,
}

/// A field that does not exist.
pub(super) struct Unknown {
    pub of: String,
    pub name: String,
    pub position: Position,
    pub help: Option<String>,
}

impl Names<'_> {
    pub fn shape(&self, expr: &Expr) -> Result<Shape, Unknown> {
        Ok(match expr {
            Expr::StringConstant(..) | Expr::InterpolatedString(..) | Expr::CharConstant(..) => Shape::Text,
            Expr::IntegerConstant(..) | Expr::FloatConstant(..) => Shape::Number,
            Expr::BoolConstant(..) | Expr::And(..) | Expr::Or(..) => Shape::Bool,
            Expr::Array(..) => Shape::List,
            Expr::Map(..) => Shape::Map,
            Expr::Unit(_) => Shape::Empty,
            Expr::Variable(variable, ..) if variable.2.is_empty() => self.root(&variable.1),
            Expr::Dot(..) | Expr::Index(..) => {
                let (root, links) = links(expr);
                let mut path = match root {
                    Expr::Variable(variable, ..) => variable.1.to_string(),
                    _ => "this".to_owned(),
                };
                let mut shape = self.shape(root)?;
                for link in &links {
                    shape = self.step(&shape, link, &path)?;
                    path = format!("{path}.{}", link.name());
                }
                shape
            }
            Expr::FnCall(call, _) if !call.is_qualified() => {
                let args: Vec<_> = call.args.iter().map(|arg| self.shape(arg)).collect::<Result<_, _>>()?;
                result(call.name.as_str(), &args)
            }
            Expr::Coalesce(parts, _) => self.same(parts.iter())?,
            Expr::Stmt(block) => self.block(block.statements()),
            _ => Shape::Any,
        })
    }

    /// Returns the type of a block's value, if every path through it has the same type.
    fn block(&self, statements: &[Stmt]) -> Shape {
        let one = |expr: &Expr| self.shape(expr).unwrap_or(Shape::Any);
        let all = |shapes: Vec<Shape>| match shapes.split_first() {
            Some((first, rest)) if rest.iter().all(|shape| shape == first) => first.clone(),
            _ => Shape::Any,
        };
        match statements {
            [Stmt::Expr(value)] => one(value),
            [Stmt::FnCall(call, _)] if !call.is_qualified() => {
                let args: Vec<_> = call.args.iter().map(one).collect();
                result(call.name.as_str(), &args)
            }
            [Stmt::If(flow, _)] => {
                all(vec![self.block(flow.body.statements()), self.block(flow.branch.statements())])
            }
            [Stmt::Switch(parts, _)] => all(parts.1.expressions.iter().map(|arm| one(&arm.rhs)).collect()),
            _ => Shape::Any,
        }
    }

    /// Returns the type that all parts share; `Any` if they differ.
    fn same<'e>(&self, mut parts: impl Iterator<Item = &'e Expr>) -> Result<Shape, Unknown> {
        let Some(first) = parts.next() else { return Ok(Shape::Any) };
        let first = self.shape(first)?;
        for part in parts {
            if self.shape(part)? != first {
                return Ok(Shape::Any);
            }
        }
        Ok(first)
    }

    fn root(&self, name: &str) -> Shape {
        let local = self.locals.iter().rev().find(|(local, _)| local == name);
        let roots = self.outline.map(Outline::roots);
        let root = roots.as_ref().and_then(|roots| roots.iter().find(|(root, _)| *root == name));
        match (local, root) {
            (Some((_, shape)), _) => shape.clone(),
            (None, Some((_, shape))) => (*shape).clone(),
            (None, None) => Shape::Any,
        }
    }

    /// Returns the type of one link of a chain.
    pub fn step(&self, shape: &Shape, link: &Link<'_>, path: &str) -> Result<Shape, Unknown> {
        match link {
            Link::Property(name, position) => field(shape, path, name, *position),
            Link::Index(Expr::StringConstant(name, position)) => field(shape, path, name, *position),
            Link::Index(_) => Ok(Shape::Any),
            Link::Method(call, _) => Ok(self.method(shape, call)),
        }
    }

    fn method(&self, receiver: &Shape, call: &FnCallExpr) -> Shape {
        let others = call.args.iter().map(|arg| self.shape(arg).unwrap_or(Shape::Any));
        let all: Vec<_> = std::iter::once(receiver.clone()).chain(others).collect();
        result(call.name.as_str(), &all)
    }
}

fn field(shape: &Shape, path: &str, name: &str, position: Position) -> Result<Shape, Unknown> {
    match shape {
        Shape::Record(fields) => match fields.get(name) {
            Some(field) => Ok(field.clone()),
            None => Err(unknown(path, name, position, fields.keys().map(String::as_str))),
        },
        Shape::Map | Shape::Any => Ok(Shape::Any),
        // Texts and lists have properties of the language itself.
        Shape::Text | Shape::List if name == "len" => Ok(Shape::Number),
        Shape::Text | Shape::List if name == "is_empty" => Ok(Shape::Bool),
        Shape::List => Ok(Shape::Any),
        Shape::Empty
        | Shape::Text
        | Shape::Number
        | Shape::Bool
        | Shape::Time
        | Shape::Date
        | Shape::Duration => {
            if matches!(name, "len" | "is_empty" | "chars" | "bytes") {
                return Ok(Shape::Any);
            }
            Err(unknown(path, name, position, []))
        }
    }
}

/// A link of a chain: after a dot or in brackets.
pub(super) enum Link<'e> {
    Property(&'e str, Position),
    Method(&'e FnCallExpr, Position),
    Index(&'e Expr),
}

impl Link<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Property(name, _) => name,
            Self::Method(call, _) => call.name.as_str(),
            Self::Index(Expr::StringConstant(name, _)) => name.as_str(),
            Self::Index(_) => "[]",
        }
    }
}

/// Returns the two sides of a link, whether it is an index, and whether the chain ends with it.
fn link(expr: &Expr) -> Option<(&Expr, &Expr, bool, bool)> {
    match expr {
        Expr::Dot(pair, flags, _) => Some((&pair.lhs, &pair.rhs, false, flags.contains(ASTFlags::BREAK))),
        Expr::Index(pair, flags, _) => Some((&pair.lhs, &pair.rhs, true, flags.contains(ASTFlags::BREAK))),
        _ => None,
    }
}

/// Returns a chain from its root on. Rhai nests chains to the right: `a.b.c` is `a.(b.c)`; a flag marks the end.
pub(super) fn links(expr: &Expr) -> (&Expr, Vec<Link<'_>>) {
    let mut found = Vec::new();
    let Some((root, mut rhs, mut index, mut last)) = link(expr) else { return (expr, found) };
    loop {
        let next = if last { None } else { link(rhs) };
        let head = next.map_or(rhs, |(head, ..)| head);
        found.push(match head {
            Expr::Property(property, position) if !index => Link::Property(property.2.as_str(), *position),
            Expr::MethodCall(call, position) if !index => Link::Method(call, *position),
            other => Link::Index(other),
        });
        match next {
            Some((_, rest, by_index, ends)) => (rhs, index, last) = (rest, by_index, ends),
            None => return (root, found),
        }
    }
}

fn unknown<'a>(
    path: &str,
    name: &str,
    position: Position,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Unknown {
    let help = match nearest(name, known.clone()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None => {
            let all: Vec<_> = known.into_iter().collect();
            (!all.is_empty()).then(|| format!("known: {}", all.join(", ")))
        }
    };
    Unknown { of: path.to_owned(), name: name.to_owned(), position, help }
}

/// Returns the result type of a function or an operator.
pub(super) fn result(name: &str, args: &[Shape]) -> Shape {
    match (name, args) {
        ("-", [Shape::Time, Shape::Time] | [Shape::Date, Shape::Date])
        | ("+" | "-", [Shape::Duration, Shape::Duration]) => Shape::Duration,
        ("+" | "-", [Shape::Time, Shape::Duration]) => Shape::Time,
        ("+" | "-", [Shape::Date, Shape::Duration]) => Shape::Date,
        ("+" | "-" | "*" | "/" | "%", [Shape::Number, Shape::Number]) => Shape::Number,
        ("+" | "-" | "*" | "/" | "%", _) => Shape::Any,
        ("==" | "!=" | "<" | "<=" | ">" | ">=" | "contains", [_, _]) | ("!", [_]) => Shape::Bool,
        _ => match natives::gives(name, args) {
            // The call has an error of its own.
            Gives::Nothing => Shape::Any,
            Gives::Value(shape) => shape,
        },
    }
}
