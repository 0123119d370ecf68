//! The walk over a compiled expression: every field that it names exists, and what it compares can be
//! compared. It runs at load, so that a typing mistake is found before a case depends on it.

use rhai::{AST, ASTNode, Expr, Position, Stmt};

use super::facts::Outline;
use super::shape::Shape;
use crate::policy::diagnostic::{Diagnostic, Place, Severity};

/// An error at a place inside a source text that itself begins at `place`.
pub(super) fn error_at(
    place: &Place,
    position: Position,
    length: usize,
    code: &'static str,
    message: String,
    help: Option<String>,
) -> Diagnostic {
    let mut place = place.clone();
    let (line, column) = (position.line().unwrap_or(1), position.position().unwrap_or(1));
    if !position.is_none() {
        place.column = if line == 1 { place.column + column.saturating_sub(1) } else { column };
        place.line += line - 1;
        place.length = length.max(1);
    }
    Diagnostic { place, severity: Severity::Error, code, message, help, policy: None }
}

/// The nearest of some names, if one is near.
pub(crate) fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(wrong, name), name))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

pub(super) fn check(ast: &AST, outline: &Outline, place: &Place, diagnostics: &mut Vec<Diagnostic>) {
    let mut walk = Walk { outline, place, diagnostics };
    if let [Stmt::Expr(expr)] = ast.statements() {
        walk.needs_answer(expr);
        walk.ordered(expr);
    }
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        if let Some(ASTNode::Expr(expr)) = path.last() {
            walk.visit(expr);
        }
        true
    });
}

struct Walk<'a> {
    outline: &'a Outline,
    place: &'a Place,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Walk<'_> {
    fn visit(&mut self, expr: &Expr) {
        match expr {
            Expr::Dot(pair, ..) | Expr::Index(pair, ..) if matches!(pair.lhs, Expr::Variable(..)) => {
                if let Err(unknown) = self.shape(expr) {
                    self.diagnostics.push(error_at(
                        self.place,
                        unknown.position,
                        unknown.name.chars().count(),
                        "unknown-field",
                        format!("`{}` has no field `{}`", unknown.of, unknown.name),
                        unknown.help,
                    ));
                }
            }
            Expr::And(parts, ..) | Expr::Or(parts, ..) => {
                parts.iter().for_each(|part| self.needs_answer(part))
            }
            Expr::FnCall(call, _) if call.name == "!" => {
                call.args.iter().for_each(|arg| self.needs_answer(arg));
            }
            Expr::FnCall(call, position) if call.args.len() == 2 => {
                if let Some(message) = self.comparison(call.name.as_str(), &call.args[0], &call.args[1]) {
                    let help = "compare values of one type; an empty value is tested with == ()";
                    let diagnostic =
                        error_at(self.place, *position, 1, "mixed-types", message, Some(help.to_owned()));
                    self.diagnostics.push(diagnostic);
                } else if call.name == "contains" {
                    self.part_of_a_text(&call.args[0], &call.args[1], *position);
                }
            }
            _ => {}
        }
    }

    /// `in` with a text on its right looks for a part of that text, where a list was meant.
    fn part_of_a_text(&mut self, text: &Expr, sought: &Expr, position: Position) {
        if self.shape(text).ok() != Some(Shape::Text) {
            return;
        }
        let name = match text {
            Expr::StringConstant(..) => "this".to_owned(),
            other => super::trace::path(other)
                .map_or("this".to_owned(), |(path, _)| format!("`{}`", path.join("."))),
        };
        let message =
            format!("{name} is one text and no list, so `in` asks whether it has the other as a part");
        let setting = name.starts_with("`settings.");
        let help = match setting {
            true => format!(
                "write the setting as a list: {}: [...]; or compare with == for the whole text",
                name.trim_matches('`').trim_start_matches("settings.")
            ),
            false => {
                "compare with == for the whole text, or give a list; a part is asked for with .contains(...)"
                    .to_owned()
            }
        };
        let found = error_at(self.place, position, 2, "part-of-a-text", message, Some(help));
        // Whoever was to be let in by a list is let in by a piece of a word: `le.com` is in `example.com`.
        let fixed = super::trace::path(sought).is_some() && setting;
        let severity = if fixed { Severity::Error } else { Severity::Warning };
        self.diagnostics.push(Diagnostic { severity, ..found });
    }

    fn ordered(&mut self, expr: &Expr) {
        let mut found = Vec::new();
        let may = |field: &Expr, path: &[String]| {
            let own = path.first().is_none_or(|root| matches!(root.as_str(), "settings" | "this_case"));
            let typed =
                matches!(self.shape(field), Ok(Shape::Number | Shape::Time | Shape::Date | Shape::Text));
            !own && path.len() > 1 && typed && !self.outline.sure.contains(&path.join("."))
        };
        super::empty::check(expr, &may, self.place, &mut found);
        self.diagnostics.extend(found);
    }

    /// Where true or false is needed, a field that may be empty gives neither.
    fn needs_answer(&mut self, expr: &Expr) {
        let Some((path, true)) = super::trace::path(expr) else { return };
        // What a policy sets is what it sets.
        let own = path.first().is_none_or(|root| root == "settings");
        if own || path.len() < 2 || self.shape(expr).ok() != Some(Shape::Bool) {
            return;
        }
        let path = path.join(".");
        let message = format!("where `{path}` is empty, this cannot be decided");
        let help = format!("say what empty means: ({path} ?? false)");
        let length = path.chars().count();
        let found = error_at(self.place, expr.start_position(), length, "may-be-empty", message, Some(help));
        self.diagnostics.push(Diagnostic { severity: Severity::Warning, ..found });
    }

    fn comparison(&self, name: &str, left: &Expr, right: &Expr) -> Option<String> {
        // What has an unknown field has its own diagnostic.
        let (a, b) = (self.shape(left).ok()?, self.shape(right).ok()?);
        let fits = match name {
            "==" | "!=" => a.equatable(&b),
            "<" | "<=" | ">" | ">=" => a.orderable(&b),
            "contains" => {
                let container =
                    matches!(a, Shape::Any | Shape::List | Shape::Text | Shape::Map | Shape::Record(_));
                return (!container).then(|| format!("`in` wants a list, a text or a map, not {}", a.word()));
            }
            _ => true,
        };
        (!fits).then(|| format!("{} `{name}` {} is always an error", a.word(), b.word()))
    }

    fn shape(&self, expr: &Expr) -> Result<Shape, Unknown> {
        Ok(match expr {
            Expr::StringConstant(..) | Expr::InterpolatedString(..) | Expr::CharConstant(..) => Shape::Text,
            Expr::IntegerConstant(..) | Expr::FloatConstant(..) => Shape::Number,
            Expr::BoolConstant(..) | Expr::And(..) | Expr::Or(..) => Shape::Bool,
            Expr::Array(..) => Shape::List,
            Expr::Map(..) => Shape::Map,
            Expr::Unit(_) => Shape::Empty,
            Expr::Variable(variable, ..) if variable.2.is_empty() => self.root(&variable.1),
            Expr::Dot(pair, ..) | Expr::Index(pair, ..) => {
                let Expr::Variable(variable, ..) = &pair.lhs else { return Ok(Shape::Any) };
                let root = self.root(&variable.1);
                follow(&root, &variable.1, &pair.rhs, matches!(expr, Expr::Index(..)))?
            }
            Expr::FnCall(call, _) => {
                let args: Vec<_> = call.args.iter().map(|arg| self.shape(arg)).collect::<Result<_, _>>()?;
                result(call.name.as_str(), &args)
            }
            _ => Shape::Any,
        })
    }

    fn root(&self, name: &str) -> Shape {
        let roots = self.outline.roots();
        roots.iter().find(|(root, _)| *root == name).map_or(Shape::Any, |(_, shape)| (*shape).clone())
    }
}

/// A field that is not there.
struct Unknown {
    of: String,
    name: String,
    position: Position,
    help: Option<String>,
}

/// Goes along `rhs` from a value of a known shape. Rhai nests chains to the right: `a.b.c` is `a.(b.c)`.
fn follow(shape: &Shape, path: &str, rhs: &Expr, index: bool) -> Result<Shape, Unknown> {
    let (head, rest) = match rhs {
        Expr::Dot(pair, ..) if !index || is_key(&pair.lhs) => (&pair.lhs, Some((&pair.rhs, false))),
        Expr::Index(pair, ..) if !index || is_key(&pair.lhs) => (&pair.lhs, Some((&pair.rhs, true))),
        other => (other, None),
    };
    let (name, position) = match head {
        Expr::Property(property, position) if !index => (property.2.as_str(), *position),
        Expr::StringConstant(text, position) if index => (text.as_str(), *position),
        _ => return Ok(Shape::Any),
    };
    let next = match shape {
        Shape::Record(fields) => match fields.get(name) {
            Some(field) => field.clone(),
            None => return Err(unknown(path, name, position, fields.keys().map(String::as_str))),
        },
        Shape::Map | Shape::Any | Shape::List => Shape::Any,
        Shape::Empty
        | Shape::Text
        | Shape::Number
        | Shape::Bool
        | Shape::Time
        | Shape::Date
        | Shape::Duration => {
            // Texts and lists have properties of the language itself, such as `len`.
            if matches!(name, "len" | "is_empty" | "chars" | "bytes") {
                return Ok(Shape::Any);
            }
            return Err(unknown(path, name, position, []));
        }
    };
    match rest {
        Some((rest, index)) => follow(&next, &format!("{path}.{name}"), rest, index),
        None => Ok(next),
    }
}

fn is_key(expr: &Expr) -> bool {
    matches!(expr, Expr::StringConstant(..))
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
            (!all.is_empty()).then(|| format!("it has: {}", all.join(", ")))
        }
    };
    Unknown { of: path.to_owned(), name: name.to_owned(), position, help }
}

/// What a function or an operator gives.
fn result(name: &str, args: &[Shape]) -> Shape {
    match (name, args) {
        ("seconds" | "minutes" | "hours" | "days" | "weeks" | "duration", [_])
        | ("-", [Shape::Time, Shape::Time] | [Shape::Date, Shape::Date])
        | ("+" | "-", [Shape::Duration, Shape::Duration]) => Shape::Duration,
        ("time", [_]) | ("+" | "-", [Shape::Time, Shape::Duration]) => Shape::Time,
        ("date", [_]) | ("+" | "-", [Shape::Date, Shape::Duration]) => Shape::Date,
        ("lower" | "upper" | "trimmed", [_]) => Shape::Text,
        ("+" | "-" | "*" | "/" | "%", [Shape::Number, Shape::Number]) => Shape::Number,
        ("==" | "!=" | "<" | "<=" | ">" | ">=" | "contains", [_, _]) | ("!", [_]) => Shape::Bool,
        _ => Shape::Any,
    }
}
