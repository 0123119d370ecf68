//! Walks a mail template and checks that every variable, field, filter, test and function exists. Otherwise a
//! misspelling would fail only when the first mail is due.

use minijinja::machinery::ast::{BinOp, BinOpKind, Call, CallArg, CallType, Expr, Stmt, UnaryOpKind};
use minijinja::machinery::{Span, parse};
use minijinja::{Environment, ErrorKind, Value};

use crate::policy::diagnostic::{Severity, nearest};
use crate::policy::script::Shape;

/// The names that a mail of one policy can use.
#[derive(Debug)]
pub struct Names {
    /// Each name with the type of its value.
    pub roots: Vec<(&'static str, Shape)>,
    /// Names that exist in other mails, with the reason why they are missing in this one.
    pub missing: Vec<(&'static str, String)>,
    /// Fields such as `event.role` that some cases of the policy lack, with the reason.
    pub sometimes: Vec<(String, Absent)>,
}

/// Why a field is missing, and whether it is missing in every case.
#[derive(Debug, Clone)]
pub struct Absent {
    pub why: String,
    pub always: bool,
}

/// An error at a place of the template's part.
#[derive(Debug)]
pub struct Found {
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub length: usize,
    pub code: &'static str,
    pub severity: Severity,
    pub message: String,
    pub help: String,
}

/// Checks one part of a template, the subject or the body. Parse errors are reported elsewhere.
pub fn look(source: &str, names: &Names, environment: &Environment<'_>) -> Vec<Found> {
    let Ok(template) = parse(source, "mail", Default::default()) else { return Vec::new() };
    let mut walk =
        Walk { source, names, environment, locals: Vec::new(), present: Vec::new(), found: Vec::new() };
    walk.statement(&template);
    walk.found
}

struct Walk<'a> {
    source: &'a str,
    names: &'a Names,
    environment: &'a Environment<'a>,
    locals: Vec<String>,
    /// Paths that an enclosing condition has tested.
    present: Vec<String>,
    found: Vec<Found>,
}

impl Walk<'_> {
    fn report(&mut self, span: Span, word: &str, code: &'static str, message: String, help: String) {
        let start = usize::try_from(span.start_offset).unwrap_or(0);
        let end = usize::try_from(span.end_offset).unwrap_or(start).max(start);
        // The span covers the whole expression; the report points to the word in it.
        let at = self.source.get(start..end).and_then(|text| text.rfind(word)).map_or(start, |at| start + at);
        let before = self.source.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let length = word.chars().count().max(1);
        if !self.found.iter().any(|other| other.line == line && other.column == column) {
            self.found.push(Found { line, column, length, code, severity: Severity::Error, message, help });
        }
    }

    fn block(&mut self, statements: &[Stmt<'_>]) {
        let locals = self.locals.len();
        statements.iter().for_each(|statement| self.statement(statement));
        self.locals.truncate(locals);
    }

    fn statement(&mut self, statement: &Stmt<'_>) {
        match statement {
            Stmt::Template(template) => template.children.iter().for_each(|child| self.statement(child)),
            Stmt::EmitExpr(emit) => self.value(&emit.expr),
            Stmt::EmitRaw(raw) => self.braces(raw.raw, raw.span()),
            Stmt::ForLoop(each) => {
                self.value(&each.iter);
                let locals = self.locals.len();
                self.target(&each.target);
                self.locals.push("loop".to_owned());
                each.filter_expr.iter().for_each(|filter| self.asked(filter));
                self.block(&each.body);
                self.locals.truncate(locals);
                self.block(&each.else_body);
            }
            Stmt::IfCond(condition) => {
                self.asked(&condition.expr);
                self.branch(&condition.expr, true, |walk| walk.block(&condition.true_body));
                self.branch(&condition.expr, false, |walk| walk.block(&condition.false_body));
            }
            Stmt::WithBlock(with) => {
                let locals = self.locals.len();
                for (target, value) in &with.assignments {
                    self.value(value);
                    self.target(target);
                }
                self.block(&with.body);
                self.locals.truncate(locals);
            }
            Stmt::Set(set) => {
                self.value(&set.expr);
                self.target(&set.target);
            }
            Stmt::SetBlock(set) => {
                self.block(&set.body);
                set.filter.iter().for_each(|filter| self.value(filter));
                self.target(&set.target);
            }
            Stmt::FilterBlock(filter) => {
                self.value(&filter.filter);
                self.block(&filter.body);
            }
            Stmt::AutoEscape(escape) => self.block(&escape.body),
            Stmt::Macro(of) => {
                let locals = self.locals.len();
                self.locals.push(of.name.to_owned());
                let own = self.locals.len();
                of.args.iter().for_each(|argument| self.target(argument));
                self.block(&of.body);
                self.locals.truncate(own.max(locals));
            }
            Stmt::Block(block) => self.block(&block.body),
            Stmt::Do(call) => self.call(&call.call),
            Stmt::CallBlock(call) => self.call(&call.call),
            Stmt::Import(_) | Stmt::FromImport(_) | Stmt::Extends(_) | Stmt::Include(_) => {}
        }
    }

    /// Reports `${...}` in the text of a mail.
    fn braces(&mut self, text: &str, span: Span) {
        if let Some((_, rest)) = text.split_once("${") {
            let inside = rest.split('}').next().unwrap_or(rest).trim();
            let message = "`${...}` is for policies; in a mail it is plain text".to_owned();
            self.report(
                span,
                "${",
                "foreign-braces",
                message,
                format!("write {{{{ {inside} }}}} for the value"),
            );
        }
    }

    fn target(&mut self, target: &Expr<'_>) {
        match target {
            Expr::Var(var) => self.locals.push(var.id.to_owned()),
            Expr::List(list) => list.items.iter().for_each(|item| self.target(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.target(item)),
            _ => {}
        }
    }

    fn branch(&mut self, condition: &Expr<'_>, holds: bool, inside: impl FnOnce(&mut Self)) {
        let before = self.present.len();
        asks(condition, holds, &mut self.present);
        inside(self);
        self.present.truncate(before);
    }

    /// Checks an expression that must have a value.
    fn value(&mut self, expr: &Expr<'_>) {
        self.shape(expr, false);
    }

    /// Checks a condition, which may test whether a value exists.
    fn asked(&mut self, expr: &Expr<'_>) {
        self.shape(expr, true);
    }

    /// Returns the type of an expression. `may`: a missing value is allowed.
    fn shape(&mut self, expr: &Expr<'_>, may: bool) -> Shape {
        match expr {
            Expr::Var(var) => return self.root(var.id, var.span(), may),
            Expr::GetAttr(attr) => {
                let of = self.shape(&attr.expr, false);
                return self.field(&of, &attr.expr, attr.name, attr.span(), may);
            }
            Expr::GetItem(item) => {
                let of = self.shape(&item.expr, false);
                if let Expr::Const(key) = &item.subscript_expr
                    && let Some(name) = key.value.as_str()
                {
                    return self.field(&of, &item.expr, name, item.span(), may);
                }
                self.value(&item.subscript_expr);
            }
            Expr::BinOp(op) if matches!(op.op, BinOpKind::ScOr) => return self.either(op, may),
            Expr::BinOp(op) if matches!(op.op, BinOpKind::ScAnd) => {
                self.asked(&op.left);
                self.branch(&op.left, true, |walk| {
                    walk.shape(&op.right, may);
                });
            }
            Expr::BinOp(op) => {
                self.value(&op.left);
                self.value(&op.right);
            }
            Expr::UnaryOp(op) => {
                self.shape(&op.expr, matches!(op.op, UnaryOpKind::Not));
            }
            Expr::Compare(compare) => {
                self.asked(&compare.expr);
                compare.ops.iter().for_each(|op| self.asked(&op.expr));
            }
            Expr::IfExpr(_) | Expr::Filter(_) | Expr::Test(_) => self.within(expr, may),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => list.items.iter().for_each(|item| self.value(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.value(item)),
            Expr::Map(map) => map.keys.iter().chain(&map.values).for_each(|item| self.value(item)),
            Expr::Slice(slice) => {
                self.value(&slice.expr);
                let ends = [&slice.start, &slice.stop, &slice.step];
                ends.into_iter().flatten().for_each(|end| self.value(end));
            }
            Expr::Const(_) => {}
        }
        Shape::Any
    }

    /// Checks the parts of a conditional expression, a filter or a test.
    fn within(&mut self, expr: &Expr<'_>, may: bool) {
        match expr {
            Expr::IfExpr(either) => {
                self.asked(&either.test_expr);
                self.branch(&either.test_expr, true, |walk| {
                    walk.shape(&either.true_expr, may);
                });
                self.branch(&either.test_expr, false, |walk| {
                    either.false_expr.iter().for_each(|other| {
                        walk.shape(other, may);
                    });
                });
            }
            Expr::Filter(filter) => {
                self.filter(filter.name, filter.span());
                let default = matches!(filter.name, "default" | "d");
                filter.expr.iter().for_each(|of| {
                    self.shape(of, default || may);
                });
                self.arguments(&filter.args);
            }
            Expr::Test(test) => {
                self.test(test.name, test.span());
                match &test.expr {
                    // Any name may be tested for whether a field exists.
                    Expr::GetAttr(attr) if matches!(test.name, "defined" | "undefined") => {
                        self.asked(&attr.expr)
                    }
                    other => self.asked(other),
                }
                self.arguments(&test.args);
            }
            _ => {}
        }
    }

    /// Checks `a or b`.
    fn either(&mut self, op: &BinOp<'_>, may: bool) -> Shape {
        let left = self.shape(&op.left, true);
        let sure = self.is_sure(&op.left);
        let before = self.present.len();
        asks(&op.left, false, &mut self.present);
        let right = self.shape(&op.right, may || sure);
        self.present.truncate(before);
        let missing = matches!(&op.left, Expr::Var(var) if !self.is_root(var.id));
        match (sure, missing) {
            (true, _) => left,
            (false, true) => right,
            (false, false) => Shape::Any,
        }
    }

    fn is_root(&self, name: &str) -> bool {
        self.names.roots.iter().any(|(root, _)| *root == name)
    }

    /// Reports whether a value always exists, which makes the part after `or` unnecessary.
    fn is_sure(&self, expr: &Expr<'_>) -> bool {
        match expr {
            Expr::Var(var) => self
                .names
                .roots
                .iter()
                .any(|(root, shape)| *root == var.id && matches!(shape, Shape::Record(_))),
            Expr::BinOp(op) if matches!(op.op, BinOpKind::ScOr) => {
                self.is_sure(&op.left) || self.is_sure(&op.right)
            }
            _ => false,
        }
    }

    fn arguments(&mut self, arguments: &[CallArg<'_>]) {
        for argument in arguments {
            match argument {
                CallArg::Pos(value)
                | CallArg::Kwarg(_, value)
                | CallArg::PosSplat(value)
                | CallArg::KwargSplat(value) => self.value(value),
            }
        }
    }

    fn call(&mut self, call: &Call<'_>) {
        self.arguments(&call.args);
        match call.identify_call() {
            CallType::Function(name) => {
                let known = self.locals.iter().any(|local| local == name)
                    || self.environment.globals().any(|(global, _)| global == name);
                if !known {
                    let globals: Vec<_> =
                        self.environment.globals().map(|(name, _)| name.to_owned()).collect();
                    let help = nearest(name, globals.iter().map(String::as_str));
                    let message = format!("unknown function `{name}`");
                    self.report(call.expr.span(), name, "unknown-filter", message, help);
                }
            }
            CallType::Method(of, name) => {
                let local = matches!(of, Expr::Var(var) if self.locals.iter().any(|local| local == var.id));
                if !local {
                    self.value(of);
                    let message = format!("unknown method `{name}`");
                    let help = "use a filter, such as {{ value | upper }}".to_owned();
                    self.report(call.expr.span(), name, "unknown-filter", message, help);
                }
            }
            CallType::Block(_) => {}
            CallType::Object(of) => self.value(of),
        }
    }

    fn filter(&mut self, name: &str, span: Span) {
        if missing(self.environment, &format!("'' | {name}"), ErrorKind::UnknownFilter) {
            let help = nearest(name, FILTERS.iter().copied());
            self.report(span, name, "unknown-filter", format!("unknown filter `{name}`"), help);
        }
    }

    fn test(&mut self, name: &str, span: Span) {
        if missing(self.environment, &format!("'' is {name}"), ErrorKind::UnknownTest) {
            let help = nearest(name, TESTS.iter().copied());
            self.report(span, name, "unknown-filter", format!("unknown test `{name}`"), help);
        }
    }

    fn root(&mut self, name: &str, span: Span, may: bool) -> Shape {
        if self.locals.iter().any(|local| local == name) {
            return Shape::Any;
        }
        if let Some((_, shape)) = self.names.roots.iter().find(|(root, _)| *root == name) {
            return shape.clone();
        }
        if let Some((_, why)) = self.names.missing.iter().find(|(root, _)| *root == name) {
            if !may && !self.present.iter().any(|path| path == name) {
                let help = format!("check it first: {{% if {name} %}} ... {{% endif %}}");
                self.report(span, name, "unknown-variable", format!("`{name}` can be missing: {why}"), help);
            }
            return Shape::Any;
        }
        let all = self
            .names
            .roots
            .iter()
            .map(|(root, _)| *root)
            .chain(self.names.missing.iter().map(|(root, _)| *root));
        let help = nearest(name, all);
        self.report(span, name, "unknown-variable", format!("unknown variable `{name}`"), help);
        Shape::Any
    }

    fn field(&mut self, of: &Shape, expr: &Expr<'_>, name: &str, span: Span, may: bool) -> Shape {
        let whole = path(expr).map(|of| format!("{of}.{name}")).unwrap_or_default();
        if self.present.contains(&whole) && !matches!(of, Shape::Record(fields) if fields.contains_key(name))
        {
            return Shape::Any;
        }
        if let Some((_, absent)) = self.names.sometimes.iter().find(|(path, _)| *path == whole)
            && !may
            && !self.present.contains(&whole)
        {
            let help = format!("check it first: {{% if {whole} %}} ... {{% endif %}}");
            self.report(
                span,
                name,
                "unknown-variable",
                format!("`{whole}` can be missing: {}", absent.why),
                help,
            );
            if let Some(last) = self.found.last_mut().filter(|_| !absent.always) {
                last.severity = Severity::Warning;
            }
            return Shape::Any;
        }
        match of {
            Shape::Record(fields) => match fields.get(name) {
                Some(field) => field.clone(),
                None => {
                    let of = path(expr).unwrap_or_else(|| "this".to_owned());
                    let help = nearest(name, fields.keys().map(String::as_str));
                    let message = format!("unknown field `{of}.{name}`");
                    self.report(span, name, "unknown-variable", message, help);
                    Shape::Any
                }
            },
            Shape::Any | Shape::Map => Shape::Any,
            other => {
                let of = path(expr).unwrap_or_else(|| "this".to_owned());
                let message = format!("`{of}` is {} and has no fields", other.word());
                self.report(span, name, "unknown-variable", message, "write the value itself".to_owned());
                Shape::Any
            }
        }
    }
}

/// Names for the help text; the engine decides whether a name exists.
const FILTERS: &[&str] = &[
    "date",
    "datetime",
    "default",
    "join",
    "upper",
    "lower",
    "title",
    "capitalize",
    "trim",
    "replace",
    "length",
    "first",
    "last",
    "sort",
    "unique",
    "round",
    "int",
    "float",
    "items",
    "list",
];
const TESTS: &[&str] =
    &["defined", "undefined", "none", "in", "eq", "ne", "string", "number", "true", "false"];

/// Reports whether the engine misses a name when it evaluates an expression.
fn missing(environment: &Environment<'_>, expression: &str, kind: ErrorKind) -> bool {
    let tried =
        environment.compile_expression(expression).and_then(|expression| expression.eval(Value::UNDEFINED));
    tried.is_err_and(|error| error.kind() == kind)
}

/// Returns a path such as `event.role`.
fn path(expr: &Expr<'_>) -> Option<String> {
    match expr {
        Expr::Var(var) => Some(var.id.to_owned()),
        Expr::GetAttr(attr) => Some(format!("{}.{}", path(&attr.expr)?, attr.name)),
        Expr::GetItem(item) => match &item.subscript_expr {
            Expr::Const(key) => Some(format!("{}.{}", path(&item.expr)?, key.value.as_str()?)),
            _ => None,
        },
        _ => None,
    }
}

/// Collects the paths that exist if a condition has this result.
fn asks(condition: &Expr<'_>, holds: bool, present: &mut Vec<String>) {
    match condition {
        Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_) if holds => present.extend(path(condition)),
        Expr::UnaryOp(op) if matches!(op.op, UnaryOpKind::Not) => asks(&op.expr, !holds, present),
        Expr::BinOp(op) if holds && matches!(op.op, BinOpKind::ScAnd) => {
            asks(&op.left, true, present);
            asks(&op.right, true, present);
        }
        Expr::BinOp(op) if !holds && matches!(op.op, BinOpKind::ScOr) => {
            asks(&op.left, false, present);
            asks(&op.right, false, present);
        }
        Expr::Test(test)
            if matches!((test.name, holds), ("defined", true) | ("undefined" | "none", false)) =>
        {
            present.extend(path(&test.expr));
        }
        Expr::Compare(compare) if holds => present.extend(path(&compare.expr)),
        _ => {}
    }
}
