//! The functions of a script with their statements, closures among them, and the expressions that a function can end
//! with.

use rhai::{AST, ASTFlags, ASTNode, Expr, FnPtr, Position, Stmt};

/// A function or a closure.
#[derive(Debug)]
pub(super) struct Body {
    /// That of a closure is made up by the parser.
    pub name: String,
    pub parameters: Vec<String>,
    pub statements: Vec<Stmt>,
    /// Where its body begins.
    pub start: Position,
}

impl Body {
    pub fn is_closure(&self) -> bool {
        self.name.starts_with("anon$")
    }
}

/// Every function of a compiled source, in the order of the source.
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

/// The name of the closure that an expression is.
pub(super) fn closure(expr: &Expr) -> Option<String> {
    match expr {
        Expr::DynamicConstant(value, _) => {
            value.clone().try_cast::<FnPtr>().map(|pointer| pointer.fn_name().to_owned())
        }
        Expr::FnCall(call, _) if call.name == super::natives::CAPTURE => closure(call.args.first()?),
        // Variables are shared before the closure takes hold of them.
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

/// The variables around it that a closure uses.
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

/// How statements can come to their end.
#[derive(Debug, Clone, Copy)]
pub(super) enum End<'a> {
    /// Without a value.
    Nothing,
    /// With what another function gives.
    Called,
    Value(&'a Expr),
}

/// Every end that statements can come to, but those by `throw`.
pub(super) fn ends(statements: &[Stmt]) -> Vec<End<'_>> {
    let mut found = Vec::new();
    block(statements, true, &mut found);
    found
}

/// `last`: the value of the block is the function's.
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
        // `throw` is the same statement.
        Stmt::Return(_, flags, _) if flags.intersects(ASTFlags::BREAK) => {}
        Stmt::Return(Some(value), ..) => end(value, found),
        Stmt::Return(None, ..) => found.push(End::Nothing),
        Stmt::Expr(value) if last => end(value, found),
        // A call is kept as a statement of its own.
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
