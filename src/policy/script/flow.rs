//! Checks the data flow in scripts. A needed value that is missing, and a value that is not used, are errors. Rhai
//! itself continues with `()`, and `()` compared with any value is silently true or false.

use rhai::{AST, ASTFlags, ASTNode, Expr, FlowControl, FnCallExpr, Position, Stmt};

use super::bodies::{self, Body, End};
use super::check::{comparison, error_at};
use super::facts::Outline;
use super::natives::{self, Gives};
use super::shape::Shape;
use super::types::{Link, Names, links};
use crate::policy::diagnostic::{Diagnostic, Place};

/// How a value is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Value,
    Dropped,
    /// The function may or may not return a value: it is called for its effect.
    Either,
}

/// Functions that take a closure which returns true or false.
pub(super) const ASKING: &[&str] = &["filter", "all", "some", "find", "index_of", "retain", "drain", "dedup"];

/// Functions that return a value and also change their argument.
pub(super) const CHANGING: &[&str] = &["pop", "shift", "remove", "retain", "drain", "splice"];

/// Checks a clause, or the expression in a text.
pub(super) fn of_expression(ast: &AST, outline: &Outline, place: &Place, found: &mut Vec<Diagnostic>) {
    let bodies = bodies::of(ast);
    let names = Names { outline: Some(outline), locals: Vec::new() };
    Flow { bodies: &bodies, names, own: Vec::new(), assigned: Vec::new(), depth: 0, place, found }.block(
        ast.statements(),
        Use::Value,
        Position::NONE,
    );
}

/// Checks the functions of a file.
pub(super) fn of_script(bodies: &[Body], place: &Place, found: &mut Vec<Diagnostic>) {
    for body in bodies.iter().filter(|body| !body.is_closure()) {
        let names = Names::default();
        let assigned = assigned(&body.statements);
        let mut flow = Flow { bodies, names, own: Vec::new(), assigned, depth: 0, place, found };
        body.parameters.iter().for_each(|name| flow.local(name, Shape::Any, false));
        let used = if only_acts(body) { Use::Either } else { Use::Value };
        flow.block(&body.statements, used, body.start);
    }
}

struct Flow<'a> {
    bodies: &'a [Body],
    names: Names<'a>,
    /// For each of `names.locals`: true if `let` defines it, false for an argument.
    own: Vec<bool>,
    /// Variables that are assigned elsewhere, possibly with another type.
    assigned: Vec<String>,
    /// The number of enclosing blocks.
    depth: usize,
    place: &'a Place,
    found: &'a mut Vec<Diagnostic>,
}

impl Flow<'_> {
    fn error(
        &mut self,
        at: Position,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.found.push(error_at(self.place, at, 1, code, message.into(), Some(help.into())));
    }

    fn named(&mut self, at: Position, name: &str, code: &'static str, message: String, help: String) {
        self.found.push(error_at(self.place, at, name.chars().count(), code, message, Some(help)));
    }

    fn local(&mut self, name: &str, shape: Shape, own: bool) {
        let shape = if self.assigned.iter().any(|other| other == name) { Shape::Any } else { shape };
        self.names.locals.push((name.to_owned(), shape));
        self.own.push(own);
    }

    fn block(&mut self, statements: &[Stmt], used: Use, at: Position) {
        let outer = self.names.locals.len();
        self.depth += 1;
        for (number, statement) in statements.iter().enumerate() {
            let rest = statements.get(number + 1..).unwrap_or_default();
            if let (Stmt::Var(parts, _, at), true) = (statement, self.depth > 1) {
                self.hides(&parts.0.name, outer, rest, *at);
            }
            self.statement(statement, if rest.is_empty() { used } else { Use::Dropped });
        }
        if statements.is_empty() && used == Use::Value {
            self.no_value(at, "this block has no value");
        }
        self.depth -= 1;
        self.names.locals.truncate(outer);
        self.own.truncate(outer);
    }

    /// Reports a `let` in a block that shadows an outer variable and ends with the block.
    fn hides(&mut self, name: &str, outer: usize, rest: &[Stmt], at: Position) {
        let of_outside = self.names.locals.iter().take(outer).any(|(other, _)| other == name);
        if of_outside && !rest.iter().any(|statement| reads(statement, name)) {
            let message = format!("this defines a new `{name}`, which ends with the block");
            let help = format!("write {name} = ... without `let` to change the one outside");
            self.error(at, "lost-change", message, help);
        }
    }

    fn no_value(&mut self, at: Position, message: &str) {
        let help = "return a value on every path; write () for an empty value";
        self.error(at, "no-value", format!("{message}; a value is needed here"), help);
    }

    fn statement(&mut self, statement: &Stmt, used: Use) {
        let at = statement.position();
        let nothing = |what: &str, this: &mut Self| {
            if used == Use::Value {
                this.no_value(at, what);
            }
        };
        match statement {
            Stmt::Expr(value) => self.expression(value, used),
            Stmt::FnCall(call, at) => self.call(call, *at, used),
            Stmt::Block(block) => self.block(block.statements(), used, at),
            Stmt::If(flow, _) => {
                self.condition(&flow.expr);
                self.block(flow.body.statements(), used, flow.body.position());
                if flow.branch.is_empty() {
                    nothing("this `if` has no value when it is false", self);
                } else {
                    self.block(flow.branch.statements(), used, flow.branch.position());
                }
            }
            Stmt::Switch(parts, _) => {
                self.expression(&parts.0, Use::Value);
                for arm in &parts.1.expressions {
                    if !matches!(arm.lhs, Expr::BoolConstant(..)) {
                        self.condition(&arm.lhs);
                    }
                    self.expression(&arm.rhs, used);
                }
                if parts.1.def_case.is_none() {
                    nothing("this `switch` has no value when no case matches: it has no `_`", self);
                }
            }
            Stmt::TryCatch(flow, _) => {
                self.block(flow.body.statements(), used, at);
                self.block(flow.branch.statements(), used, at);
            }
            Stmt::While(flow, _) | Stmt::Do(flow, ..) => {
                let endless = matches!(flow.expr, Expr::Unit(_) | Expr::BoolConstant(true, _));
                if !endless {
                    self.condition(&flow.expr);
                    nothing("a loop has no value", self);
                }
                self.block(flow.body.statements(), Use::Dropped, at);
            }
            Stmt::For(parts, _) => {
                self.each(&parts.0.name, parts.1.as_ref().map(|counter| counter.name.as_str()), &parts.2);
                nothing("a loop has no value", self);
            }
            Stmt::Var(parts, ..) => {
                self.expression(&parts.1, Use::Value);
                let shape = self.names.shape(&parts.1).unwrap_or(Shape::Any);
                self.local(&parts.0.name, shape, true);
                nothing("`let` has no value", self);
            }
            Stmt::Assignment(parts) => {
                self.expression(&parts.1.rhs, Use::Value);
                nothing("`=` has no value", self);
            }
            Stmt::Return(Some(value), ..) | Stmt::BreakLoop(Some(value), ..) => {
                self.expression(value, Use::Value);
            }
            Stmt::Return(None, ..) => self.no_value(at, "this `return` has no value"),
            Stmt::Noop(_) => nothing("this has no value", self),
            _ => {}
        }
    }

    fn each(&mut self, item: &str, counter: Option<&str>, flow: &FlowControl) {
        let outer = self.names.locals.len();
        self.expression(&flow.expr, Use::Value);
        self.local(item, Shape::Any, true);
        if let Some(counter) = counter {
            self.local(counter, Shape::Number, true);
        }
        self.block(flow.body.statements(), Use::Dropped, flow.body.position());
        self.names.locals.truncate(outer);
        self.own.truncate(outer);
    }

    /// Checks an expression that must be true or false.
    fn condition(&mut self, expr: &Expr) {
        self.expression(expr, Use::Value);
        // The walk over their fields checks clauses.
        let shape = self.names.shape(expr).unwrap_or(Shape::Any);
        if let Some((message, help)) = not_boolean(&shape) {
            self.error(expr.start_position(), "not-boolean", message, help);
        }
    }

    fn expression(&mut self, expr: &Expr, used: Use) {
        if let Some(name) = bodies::closure(expr) {
            return self.closure(&name, Use::Value, false);
        }
        match expr {
            Expr::Dot(..) | Expr::Index(..) => return self.chain(expr, used),
            Expr::FnCall(call, at) => return self.call(call, *at, used),
            Expr::Stmt(block) => return self.block(block.statements(), used, block.position()),
            Expr::And(parts, _) | Expr::Or(parts, _) => parts.iter().for_each(|part| self.condition(part)),
            Expr::Coalesce(parts, _) => parts.iter().for_each(|part| self.expression(part, Use::Value)),
            Expr::Array(parts, _) | Expr::InterpolatedString(parts, _) => {
                parts.iter().for_each(|part| self.expression(part, Use::Value));
            }
            Expr::Map(parts, _) => {
                parts.0.iter().for_each(|(_, value)| self.expression(value, Use::Value));
            }
            _ => {}
        }
        if used == Use::Dropped && !matches!(expr, Expr::Unit(_)) {
            self.dropped(expr.start_position());
        }
    }

    fn dropped(&mut self, at: Position) {
        let message = "unused value: it is not the last one of the function, and nothing uses it";
        let help = "write `return` before it, or assign it with `let`";
        self.error(at, "dropped-value", message, help);
    }

    /// Checks a closure. `asks`: it is passed to a function that needs true or false from it.
    fn closure(&mut self, name: &str, used: Use, asks: bool) {
        let bodies = self.bodies;
        let Some(body) = bodies.iter().find(|body| body.name == name) else { return };
        let outer = self.names.locals.len();
        for parameter in &body.parameters {
            self.local(parameter, Shape::Any, false);
        }
        self.block(&body.statements, used, body.start);
        if asks {
            for end in bodies::ends(&body.statements) {
                let End::Value(end) = end else { continue };
                let shape = self.names.shape(end).unwrap_or(Shape::Any);
                if let Some((message, help)) = not_boolean(&shape) {
                    self.error(end.start_position(), "not-boolean", message, help);
                }
            }
        }
        self.names.locals.truncate(outer);
        self.own.truncate(outer);
    }

    fn arguments(&mut self, call: &FnCallExpr) {
        let asks = ASKING.contains(&call.name.as_str());
        for argument in &call.args {
            match bodies::closure(argument) {
                Some(name) if call.name == "for_each" => self.closure(&name, Use::Dropped, false),
                Some(name) => self.closure(&name, Use::Value, asks),
                None => self.expression(argument, Use::Value),
            }
        }
    }

    fn call(&mut self, call: &FnCallExpr, at: Position, used: Use) {
        if call.name == "!" {
            call.args.iter().for_each(|of| self.condition(of));
            return if used == Use::Dropped {
                self.dropped(at)
            };
        }
        self.arguments(call);
        let shapes: Vec<_> = call.args.iter().map(|of| self.names.shape(of).unwrap_or(Shape::Any)).collect();
        if let ([left, right], None) = (call.args.as_slice(), self.names.outline)
            && let Some(message) = comparison(&self.names, call.name.as_str(), left, right)
        {
            let help = "compare values of one type; test for an empty value with == ()";
            self.error(at, "mixed-types", message, help);
        }
        let own = self
            .bodies
            .iter()
            .find(|body| body.name == call.name.as_str() && body.parameters.len() == call.args.len());
        if call.is_qualified() {
            return;
        }
        if let Some(own) = own {
            match (used, only_acts(own)) {
                (Use::Value, true) => {
                    let message = format!("`{}` returns nothing; a value is needed here", call.name);
                    self.named(at, &call.name, "no-value", message, "call it as a statement".to_owned());
                }
                (Use::Dropped, false) if !throws(own) => self.dropped(at),
                _ => {}
            }
        } else if natives::gives(&call.name, &shapes) == Gives::Nothing {
            let local = match call.args.first() {
                Some(Expr::Variable(variable, ..)) => self.is_local(&variable.1),
                _ => false,
            };
            self.changes(&call.name, at, used, local);
        } else if used == Use::Dropped && !CHANGING.contains(&call.name.as_str()) {
            self.dropped(at);
        }
    }

    fn chain(&mut self, expr: &Expr, used: Use) {
        let (root, links) = links(expr);
        self.expression(root, Use::Value);
        let mut shape = self.names.shape(root).unwrap_or(Shape::Any);
        let count = links.len();
        let mut changes = false;
        for (link, number) in links.iter().zip(1..) {
            let used = if number == count { used } else { Use::Value };
            match link {
                Link::Method(call, at) => {
                    self.arguments(call);
                    let others = call.args.iter().map(|of| self.names.shape(of).unwrap_or(Shape::Any));
                    let all: Vec<_> = std::iter::once(shape.clone()).chain(others).collect();
                    let own = self.bodies.iter().any(|body| body.name == call.name.as_str());
                    changes = own || CHANGING.contains(&call.name.as_str());
                    if !own && natives::gives(&call.name, &all) == Gives::Nothing {
                        changes = true;
                        self.changes(&call.name, *at, used, self.holds(root, count));
                    }
                }
                Link::Index(index) => {
                    self.expression(index, Use::Value);
                    changes = false;
                }
                Link::Property(..) => changes = false,
            }
            shape = self.names.step(&shape, link, "").unwrap_or(Shape::Any);
        }
        if used == Use::Dropped && !changes {
            self.dropped(expr.start_position());
        }
    }

    fn is_local(&self, name: &str) -> bool {
        self.names.locals.iter().any(|(local, _)| local == name)
    }

    /// Reports whether a change at the end of a chain stays visible. The root must be a variable of the function, or
    /// the chain must be a whole argument.
    fn holds(&self, root: &Expr, links: usize) -> bool {
        match root {
            Expr::ThisPtr(_) => true,
            Expr::Variable(variable, ..) => {
                let at = self.names.locals.iter().rposition(|(local, _)| *local == variable.1.as_str());
                at.is_some_and(|at| links == 1 || self.own.get(at) == Some(&true))
            }
            _ => false,
        }
    }

    /// Checks a call that changes its value in place.
    fn changes(&mut self, name: &str, at: Position, used: Use, seen: bool) {
        match (used, seen) {
            (Use::Value, _) => {
                let message = format!(
                    "`{name}` changes its value in place and returns nothing; a value is needed here"
                );
                self.named(at, name, "no-value", message, natives::instead(name));
            }
            (Use::Dropped, false) => {
                let message = format!("`{name}` changes a copy here; the change is lost");
                self.named(at, name, "lost-change", message, natives::instead(name));
            }
            (Use::Either, _) | (Use::Dropped, true) => {}
        }
    }
}

/// Returns why a value of this type is neither true nor false, and the fix.
pub(super) fn not_boolean(shape: &Shape) -> Option<(String, String)> {
    let help = match shape {
        Shape::Any | Shape::Bool => return None,
        Shape::Empty => "an empty value is neither true nor false; compare with == ()",
        Shape::Text => "compare it: == \"...\", or != () to check that it exists",
        Shape::Number => "compare it: > 0, or != () to check that it exists",
        Shape::List => "write `value in list`, or !list.is_empty()",
        Shape::Map | Shape::Record(_) => "compare one of its fields",
        Shape::Time | Shape::Date | Shape::Duration => {
            "compare it, such as < now, or != () to check that it exists"
        }
    };
    Some((format!("this is {}; true or false is needed here", shape.word()), help.to_owned()))
}

/// Reports whether a function is called for its effect and not for a value: it changes `this`, or it throws and never
/// ends with a value.
fn only_acts(body: &Body) -> bool {
    let this = |path: &[ASTNode<'_>]| matches!(path.last(), Some(ASTNode::Expr(Expr::ThisPtr(_))));
    let valueless = || bodies::ends(&body.statements).iter().all(|end| matches!(end, End::Nothing));
    body.statements.iter().any(|statement| any(statement, &mut |path| this(path)))
        || (throws(body) && valueless())
}

fn throws(body: &Body) -> bool {
    let throw = |path: &[ASTNode<'_>]| match path.last() {
        Some(ASTNode::Stmt(Stmt::Return(_, flags, _))) => flags.intersects(ASTFlags::BREAK),
        _ => false,
    };
    body.statements.iter().any(|statement| any(statement, &mut |path| throw(path)))
}

fn any(statement: &Stmt, wanted: &mut dyn FnMut(&[ASTNode<'_>]) -> bool) -> bool {
    !statement.walk(&mut Vec::new(), &mut |path: &[ASTNode<'_>]| !wanted(path))
}

/// Reports whether a statement reads a variable.
fn reads(statement: &Stmt, name: &str) -> bool {
    any(statement, &mut |path| match path.last() {
        Some(ASTNode::Expr(Expr::Variable(variable, ..))) => variable.1.as_str() == name,
        _ => false,
    })
}

fn assigned(statements: &[Stmt]) -> Vec<String> {
    let mut names = Vec::new();
    for statement in statements {
        statement.walk(&mut Vec::new(), &mut |path: &[ASTNode<'_>]| {
            if let Some(ASTNode::Stmt(Stmt::Assignment(parts))) = path.last()
                && let Expr::Variable(variable, ..) = &parts.1.lhs
            {
                names.push(variable.1.to_string());
            }
            true
        });
    }
    names
}
