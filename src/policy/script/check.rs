//! Walks a compiled expression and checks that every named field exists and that compared values are comparable. It
//! runs at load, which reports a typing mistake before a case depends on it.

use rhai::{AST, ASTNode, Expr, Position, Stmt};

use super::facts::Outline;
use super::flow::not_boolean;
use super::shape::Shape;
use super::types::{Names, Unknown};
use crate::policy::diagnostic::{Diagnostic, Place, Severity};

/// Builds an error at a position inside a source text that begins at `place`.
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

/// Returns the nearest of some names, if one is near.
pub(crate) fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(wrong, name), name))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

pub(super) fn check(ast: &AST, outline: &Outline, place: &Place, diagnostics: &mut Vec<Diagnostic>) {
    let names = Names { outline: Some(outline), locals: Vec::new() };
    let mut walk = Walk { names, sure: &outline.sure, place, diagnostics };
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

/// Reports a clause whose value is known to be neither true nor false.
pub(super) fn boolean(ast: &AST, outline: &Outline, place: &Place) -> Option<Diagnostic> {
    let [Stmt::Expr(expr)] = ast.statements() else { return None };
    let names = Names { outline: Some(outline), locals: Vec::new() };
    let (message, help) = not_boolean(&names.shape(expr).ok()?)?;
    Some(error_at(place, expr.start_position(), 1, "not-boolean", message, Some(help)))
}

struct Walk<'a> {
    names: Names<'a>,
    /// Fields that are never empty.
    sure: &'a [String],
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
                        format!("unknown field `{}.{}`", unknown.of, unknown.name),
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
                if let Some(message) =
                    comparison(&self.names, call.name.as_str(), &call.args[0], &call.args[1])
                {
                    let help = "compare values of one type; test for an empty value with == ()";
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

    /// Reports `in` with a text on its right, which searches a substring where a list was probably meant.
    fn part_of_a_text(&mut self, text: &Expr, sought: &Expr, position: Position) {
        if self.shape(text).ok() != Some(Shape::Text) {
            return;
        }
        let name = match text {
            Expr::StringConstant(..) => "this".to_owned(),
            other => super::lowered::path(other)
                .map_or("this".to_owned(), |(path, _)| format!("`{}`", path.join("."))),
        };
        let message = format!("{name} is a text, not a list; `in` checks for a substring");
        let setting = name.starts_with("`settings.");
        let help = match setting {
            true => format!(
                "write the setting as a list: {}: [...]; or compare the whole text with ==",
                name.trim_matches('`').trim_start_matches("settings.")
            ),
            false => {
                "compare the whole text with ==, or use a list; check for a substring with .contains(...)"
                    .to_owned()
            }
        };
        let found = error_at(self.place, position, 2, "part-of-a-text", message, Some(help));
        // A list of allowed values would otherwise admit a part of a word: `le.com` is in `example.com`.
        let fixed = super::lowered::path(sought).is_some() && setting;
        let severity = if fixed { Severity::Error } else { Severity::Warning };
        self.diagnostics.push(Diagnostic { severity, ..found });
    }

    fn ordered(&mut self, expr: &Expr) {
        let mut found = Vec::new();
        let may = |field: &Expr, path: &[String]| {
            let own = path.first().is_none_or(|root| matches!(root.as_str(), "settings" | "this_case"));
            let typed =
                matches!(self.shape(field), Ok(Shape::Number | Shape::Time | Shape::Date | Shape::Text));
            !own && path.len() > 1 && typed && !self.sure.contains(&path.join("."))
        };
        super::empty::check(expr, &may, self.place, &mut found);
        self.diagnostics.extend(found);
    }

    /// Reports a field that may be empty where true or false is required.
    fn needs_answer(&mut self, expr: &Expr) {
        let Some((path, true)) = super::lowered::path(expr) else { return };
        // Settings have fixed values in the policy.
        let own = path.first().is_none_or(|root| root == "settings");
        if own || path.len() < 2 || self.shape(expr).ok() != Some(Shape::Bool) {
            return;
        }
        let path = path.join(".");
        let message = format!("`{path}` may be empty; this clause cannot be decided then");
        let help = format!("add a default: ({path} ?? false)");
        let length = path.chars().count();
        let found = error_at(self.place, expr.start_position(), length, "may-be-empty", message, Some(help));
        self.diagnostics.push(Diagnostic { severity: Severity::Warning, ..found });
    }

    fn shape(&self, expr: &Expr) -> Result<Shape, Unknown> {
        self.names.shape(expr)
    }
}

/// Returns why two values can never be compared; none if they can.
pub(super) fn comparison(names: &Names<'_>, name: &str, left: &Expr, right: &Expr) -> Option<String> {
    // An unknown field has its own diagnostic.
    let (a, b) = (names.shape(left).ok()?, names.shape(right).ok()?);
    let fits = match name {
        "==" | "!=" => a.equatable(&b),
        "<" | "<=" | ">" | ">=" => a.orderable(&b),
        "contains" => {
            let container =
                matches!(a, Shape::Any | Shape::List | Shape::Text | Shape::Map | Shape::Record(_));
            return (!container).then(|| format!("`in` needs a list, a text or a map, not {}", a.word()));
        }
        _ => true,
    };
    (!fits).then(|| format!("{} `{name}` {} is always an error", a.word(), b.word()))
}
