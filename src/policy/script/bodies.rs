//! Extracts the functions and closures of a script with their statements, and the possible ends of a function.

use rhai::{AST, ASTFlags, ASTNode, Expr, FnPtr, Position, Stmt};

/// A function or a closure.
#[derive(Debug)]
pub(super) struct Body {
    /// The name; for a closure, a name that the parser generates.
    pub name: String,
    pub parameters: Vec<String>,
    pub statements: Vec<Stmt>,
    /// The start position of its body.
    pub start: Position,
}

impl Body {
    pub fn is_closure(&self) -> bool {
        self.name.starts_with("anon$")
    }
}

/// Returns every function of a compiled source, in source order.
pub(super) fn of(ast: &AST) -> Vec<Body> {
    let one = |of: &rhai::ScriptFuncDef| {
        let this = |name: &str, count: usize| name == of.name && count == of.params.len();
        let mut alone = ast.clone_functions_only();
        alone.retain_functions(|_, _, name, count| this(name, count));
        let mut statements = Vec::new();
        alone.walk(&mut |path: &[ASTNode<'_>]| {
            if let [ASTNode::Stmt(statement)] = path {
                statements.push((*statement).clone());
            }
            true
        });
        Body {
            name: of.name.to_string(),
            parameters: of.params.iter().map(ToString::to_string).collect(),
            statements,
            start: of.body.start_position(),
        }
    };
    let mut bodies: Vec<_> = ast.iter_fn_def().map(|of| one(of)).collect();
    bodies.sort_by_key(|body| (body.start.line(), body.start.position()));
    bodies
}

/// Returns the name of the closure, if the expression is one.
pub(super) fn closure(expr: &Expr) -> Option<String> {
    match expr {
        Expr::DynamicConstant(value, _) => {
            value.clone().try_cast::<FnPtr>().map(|pointer| pointer.fn_name().to_owned())
        }
        Expr::FnCall(call, _) if call.name == super::natives::CAPTURE => closure(call.args.first()?),
        // Captured variables are shared before the closure captures them.
        Expr::Stmt(block) => match block.statements() {
            [.., Stmt::Expr(last)] => closure(last),
            [.., Stmt::FnCall(call, _)] if call.name == super::natives::CAPTURE => {
                closure(call.args.first()?)
            }
            _ => None,
        },
        _ => None,
    }
}

/// Returns the outer variables that a closure captures.
pub(super) fn captured(expr: &Expr) -> Vec<String> {
    let of = |call: &rhai::FnCallExpr| {
        let variables = call.args.iter().skip(1).filter_map(|argument| match argument {
            Expr::Variable(variable, ..) => Some(variable.1.to_string()),
            _ => None,
        });
        if call.name == super::natives::CAPTURE { variables.collect() } else { Vec::new() }
    };
    match expr {
        Expr::FnCall(call, _) => of(call),
        Expr::Stmt(block) => match block.statements() {
            [.., Stmt::Expr(last)] => captured(last),
            [.., Stmt::FnCall(call, _)] => of(call),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// How a sequence of statements can end.
#[derive(Debug, Clone, Copy)]
pub(super) enum End<'a> {
    /// Without a value.
    Nothing,
    /// With the result of another function.
    Called,
    Value(&'a Expr),
}

/// Returns every possible end of the statements, except by `throw`.
pub(super) fn ends(statements: &[Stmt]) -> Vec<End<'_>> {
    let mut found = Vec::new();
    block(statements, true, &mut found);
    found
}

/// Collects the ends of a block. `last`: the value of the block is the result of the function.
fn block<'a>(statements: &'a [Stmt], last: bool, found: &mut Vec<End<'a>>) {
    let count = statements.len();
    for (statement, number) in statements.iter().zip(1..) {
        self::statement(statement, last && number == count, found);
    }
    if last && statements.is_empty() {
        found.push(End::Nothing);
    }
}

fn statement<'a>(statement: &'a Stmt, last: bool, found: &mut Vec<End<'a>>) {
    match statement {
        // `throw` is the same statement with a flag.
        Stmt::Return(_, flags, _) if flags.intersects(ASTFlags::BREAK) => {}
        Stmt::Return(Some(value), ..) => end(value, found),
        Stmt::Return(None, ..) => found.push(End::Nothing),
        Stmt::Expr(value) if last => end(value, found),
        // The parser keeps a call as a statement of its own.
        Stmt::FnCall(..) if last => found.push(End::Called),
        Stmt::If(flow, _) | Stmt::TryCatch(flow, _) => {
            block(flow.body.statements(), last, found);
            block(flow.branch.statements(), last, found);
        }
        Stmt::Block(inner) => block(inner.statements(), last, found),
        Stmt::While(flow, _) | Stmt::Do(flow, _, _) => block(flow.body.statements(), false, found),
        Stmt::For(parts, _) => block(parts.2.body.statements(), false, found),
        Stmt::Switch(parts, _) => {
            for arm in &parts.1.expressions {
                match &arm.rhs {
                    Expr::Stmt(inner) => block(inner.statements(), last, found),
                    value if last => end(value, found),
                    _ => {}
                }
            }
            if last && parts.1.def_case.is_none() {
                found.push(End::Nothing);
            }
        }
        _ if last => found.push(End::Nothing),
        _ => {}
    }
}

fn end<'a>(value: &'a Expr, found: &mut Vec<End<'a>>) {
    match value {
        Expr::Stmt(inner) if closure(value).is_none() => block(inner.statements(), true, found),
        _ => found.push(End::Value(value)),
    }
}
