//! Compiles sources to checked programs. Every error becomes a diagnostic; a source with an error decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rhai::{AST, Engine, EvalAltResult, Expr, FnCallExpr, LexError, Module, ParseErrorType, Scope, Stmt};

use super::calls::{self, Functions};
use super::check::{self, check, error_at, nearest};
use super::engine::{BARE, engine, guarded};
use super::facts::Outline;
use super::reads::Reads;
use super::results::{self, Results};
use super::{Clause, Condition, ConditionSource, Context, Function, Part, Program, Text, Tree};
use super::{bodies, choice, flow, foreign_syntax, rewrite};
use crate::policy::diagnostic::{Diagnostic, Place, Severity};

/// Compiles all script sources of one policy.
#[derive(Debug)]
pub struct Compiler {
    program: Arc<Program>,
    outline: Outline,
    /// Namespace to its functions with their numbers of arguments.
    functions: BTreeMap<String, Functions>,
    /// Possible results of functions, with their file.
    results: BTreeMap<(String, String, usize), (Results, Place)>,
    /// Namespaces of files with errors of their own.
    broken: BTreeSet<String>,
    /// Namespaces of all files, including those that the policy does not name.
    files: Vec<String>,
}

impl Compiler {
    /// Sets the script files that the policy could name.
    #[must_use]
    pub fn beside<'a>(self, paths: impl IntoIterator<Item = &'a str>) -> Self {
        Self { files: paths.into_iter().map(|path| namespace(path).to_owned()).collect(), ..self }
    }

    /// Marks script files that cannot be read; the caller reports them.
    #[must_use]
    pub fn unreadable<'a>(mut self, paths: impl IntoIterator<Item = &'a str>) -> Self {
        self.broken.extend(paths.into_iter().map(|path| namespace(path).to_owned()));
        self
    }

    /// Compiles script files. `rhai_files`: path and text of each script that the policy can use. Both `shared/x.rhai`
    /// and `x.rhai` beside the policy are the namespace `x`.
    pub fn new(
        rhai_files: &[(String, String)],
        context: Context<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut engine = (!rhai_files.is_empty()).then(engine);
        let (mut functions, mut broken) = (BTreeMap::<String, Functions>::new(), BTreeSet::new());
        let mut results = BTreeMap::new();
        let mut files: Vec<_> = rhai_files.iter().collect();
        // Shared files come first, because a policy's own files can call them.
        files.sort_by_key(|(path, _)| (!path.starts_with("shared/") && !path.contains("/shared/"), path));
        for (path, text) in files {
            let place = Place { file: path.clone(), line: 1, column: 1, length: 1 };
            let namespace = namespace(path);
            if functions.contains_key(namespace) {
                let message = format!("two script files are named `{namespace}`");
                let help = "rename one of them".to_owned();
                diagnostics.push(mistake(&place, "duplicate-script", message, Some(help)));
                continue;
            }
            let file = engine
                .as_mut()
                .and_then(|engine| load(engine, namespace, text, &place, &functions, diagnostics));
            match file {
                Some(file) => {
                    functions.insert(namespace.to_owned(), file.functions);
                    results.extend(file.results.into_iter().map(|((name, arguments), of)| {
                        ((namespace.to_owned(), name, arguments), (of, place.clone()))
                    }));
                }
                None => {
                    broken.insert(namespace.to_owned());
                }
            }
        }
        let outline = Outline::of(&context);
        // Without functions of its own, a policy runs in the engine of all.
        let engine = engine.map_or_else(|| Arc::clone(&BARE), Arc::new);
        let program = Program { engine, outline: outline.to_run() };
        Self { program: Arc::new(program), outline, functions, results, broken, files: Vec::new() }
    }

    /// Compiles clauses joined by `all`, `any` and `none`.
    pub fn condition(&self, source: &ConditionSource, diagnostics: &mut Vec<Diagnostic>) -> Condition {
        let tree = self.tree(source, diagnostics);
        let reads = Reads::of(&tree);
        Condition { tree: Some((Arc::clone(&self.program), tree)), reads }
    }

    fn tree(&self, source: &ConditionSource, diagnostics: &mut Vec<Diagnostic>) -> Tree {
        let mut all = |sources: &[ConditionSource]| -> Vec<Tree> {
            sources.iter().map(|source| self.tree(source, diagnostics)).collect()
        };
        match source {
            ConditionSource::All(sources) => Tree::All(all(sources)),
            ConditionSource::Any(sources) => Tree::Any(all(sources)),
            ConditionSource::None(sources) => Tree::None(all(sources)),
            ConditionSource::Clause { source, place } => {
                if source.contains("${") {
                    let message = "`${...}` is not allowed in a clause".to_owned();
                    let help = "write the expression without ${ and }".to_owned();
                    diagnostics.push(mistake(place, "interpolated-clause", message, Some(help)));
                }
                Tree::Clause(self.asking(source, place, diagnostics))
            }
        }
    }

    fn clause(&self, source: &str, place: &Place, diagnostics: &mut Vec<Diagnostic>) -> Clause {
        let ast = self.expression(source, place, diagnostics);
        Clause { source: source.trim().to_owned(), place: place.clone(), ast }
    }

    /// Compiles a clause that must be true or false.
    fn asking(&self, source: &str, place: &Place, diagnostics: &mut Vec<Diagnostic>) -> Clause {
        let clause = self.clause(source, place, diagnostics);
        let Some(ast) = &clause.ast else { return clause };
        let wrong = check::boolean(ast, &self.outline, place).or_else(|| self.other_result(ast, place));
        match wrong {
            None => clause,
            Some(wrong) => {
                diagnostics.push(wrong);
                Clause { ast: None, ..clause }
            }
        }
    }

    /// Reports a script function that ends with a value other than true or false.
    fn other_result(&self, ast: &AST, place: &Place) -> Option<Diagnostic> {
        let call = called(ast)?;
        let (results, _) = self.results.get(&key(call))?;
        let word =
            match (results.texts.first(), results.others.iter().find(|(word, _)| *word != "true/false")) {
                (Some((text, _)), _) => format!("\"{text}\""),
                (None, Some((word, _))) => (*word).to_owned(),
                (None, None) => return None,
            };
        let message = format!("the function can return {word}; true or false is needed here");
        let help = "compare it with ==, or return true or false".to_owned();
        Some(mistake(place, "not-boolean", message, Some(help)))
    }

    /// Parses an expression. Returns none after reporting a diagnostic.
    fn expression(&self, source: &str, place: &Place, diagnostics: &mut Vec<Diagnostic>) -> Option<AST> {
        let program = &self.program;
        let names = self.outline.names();
        let known = Names { outline: Some(&self.outline), broken: &self.broken, files: &self.files };
        let ast = parsed(source, place, diagnostics, &known, || {
            program.engine.compile_expression_with_scope(&names, source)
        })?;
        let before = diagnostics.len();
        check(&ast, &self.outline, place, diagnostics);
        calls::check(&ast, &Functions::new(), &self.functions, place, diagnostics);
        flow::of_expression(&ast, &self.outline, place, diagnostics);
        choice::check(&program.engine, source, place, diagnostics);
        let sound = diagnostics.iter().skip(before).all(|found| found.severity != Severity::Error);
        let run = |source: &str| program.engine.compile_expression_with_scope(&names, source);
        if sound { chosen(&program.engine, ast, source, place, diagnostics, run) } else { None }
    }

    /// Compiles a call `namespace::name(arguments)`.
    pub fn function(&self, call: &str, place: &Place, diagnostics: &mut Vec<Diagnostic>) -> Function {
        let function =
            Function { call: Some((Arc::clone(&self.program), self.clause(call, place, diagnostics))) };
        let Some((_, Clause { ast: Some(ast), .. })) = &function.call else { return function };
        if called(ast).is_none_or(|call| !call.is_qualified()) {
            let help = "call a function of a script file, such as rejections::sort(registration)".to_owned();
            let message = "this is not a call of a script function".to_owned();
            diagnostics.push(mistake(place, "not-a-call", message, Some(help)));
        }
        function
    }

    /// Returns the possible results of a function, as literals in its file. None if they are unknown.
    pub fn results(&self, function: &Function) -> Option<Ended> {
        let call = function.call.as_ref().and_then(|(_, clause)| called(clause.ast.as_ref()?))?;
        let (results, file) = self.results.get(&key(call))?;
        let at = |position, length| error_at(file, position, length, "", String::new(), None).place;
        let text = |(text, position): &(String, _)| (text.clone(), at(*position, text.chars().count() + 2));
        let verb = |(verb, position): &(String, _)| (verb.clone(), at(*position, verb.chars().count()));
        Some(Ended {
            texts: results.texts.iter().map(text).collect(),
            others: results.others.iter().map(|(word, position)| (*word, at(*position, 1))).collect(),
            actions: results.actions.iter().map(|action| action.iter().map(verb).collect()).collect(),
            whole: results.whole,
        })
    }

    /// Compiles text with `${...}`; text without it stays literal.
    pub fn text(&self, text: &str, place: &Place, diagnostics: &mut Vec<Diagnostic>) -> Text {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            if start > 0 {
                parts.push(Part::Literal(rest[..start].to_owned()));
            }
            let inside = &rest[start + 2..];
            let Some(end) = closing(inside) else {
                let message = "missing } after ${".to_owned();
                diagnostics.push(mistake(place, "open-interpolation", message, None));
                break;
            };
            // Quoted or multi-line text has no exact place; the start of the text is near enough.
            let offset = text.len() - inside.len();
            let mut at = place.clone();
            at.column += text.get(..offset).map_or(0, |before| before.chars().count());
            at.length = inside[..end].chars().count().max(1);
            parts.push(Part::Expression(self.clause(&inside[..end], &at, diagnostics)));
            rest = &inside[end + 1..];
            if !rest.contains("${") && !rest.is_empty() {
                parts.push(Part::Literal(rest.to_owned()));
                rest = "";
            }
        }
        if parts.is_empty() {
            self.fixed(text, place, diagnostics);
            parts.push(Part::Literal(text.to_owned()));
        }
        Text { program: Some(Arc::clone(&self.program)), parts }
    }
}

/// Returns the call, if the expression is one.
fn called(ast: &AST) -> Option<&FnCallExpr> {
    match ast.statements() {
        [Stmt::Expr(expr)] => match expr.as_ref() {
            Expr::FnCall(call, _) => Some(call),
            _ => None,
        },
        [Stmt::FnCall(call, _)] => Some(call),
        _ => None,
    }
}

/// Possible results of a function, as literals in its file.
#[derive(Debug)]
pub struct Ended {
    pub texts: Vec<(String, Place)>,
    /// Values of other types, by the type in words.
    pub others: Vec<(&'static str, Place)>,
    /// The keys of each action in a list.
    pub actions: Vec<Vec<(String, Place)>>,
    /// True if the lists contain all possible results.
    pub whole: bool,
}

/// Returns the file, the name and the number of arguments of a call.
fn key(call: &FnCallExpr) -> (String, String, usize) {
    let namespace = call.namespace.to_string();
    (namespace.trim_end_matches("::").to_owned(), call.name.to_string(), call.args.len())
}

/// Returns the program to run for a source, rewritten if needed.
fn chosen(
    engine: &Engine,
    ast: AST,
    source: &str,
    place: &Place,
    diagnostics: &mut Vec<Diagnostic>,
    compile: impl FnOnce(&str) -> Result<AST, rhai::ParseError>,
) -> Option<AST> {
    let Some(checked) = rewrite::rewritten(engine, &ast, source) else { return Some(ast) };
    match guarded(|| Ok(compile(&checked)?)) {
        Ok(ast) => Some(ast),
        Err(_) => {
            let message = "this `switch`, or a closure in it, is too complex".to_owned();
            let help =
                "assign the value to a variable first, and use the variable in the `switch`".to_owned();
            diagnostics.push(mistake(place, "bad-script", message, Some(help)));
            None
        }
    }
}

/// Returns the expressions in a text with `${...}`; an unclosed one extends to the end.
pub(in crate::policy) fn interpolations(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, inside)) = rest.split_once("${") {
        let end = closing(inside).unwrap_or(inside.len());
        found.extend(inside.get(..end));
        rest = inside.get(end..).unwrap_or_default();
    }
    found
}

impl Compiler {
    /// Reports text without `${...}` that looks like a field: it would output the field's name, not its value.
    pub(super) fn fixed(&self, text: &str, place: &Place, diagnostics: &mut Vec<Diagnostic>) {
        let program = &self.program;
        let roots = self.outline.roots();
        let of_field = |name: &str| text.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        if !roots.iter().any(|(name, _)| of_field(name)) {
            return;
        }
        let names = self.outline.names();
        let ast = guarded(|| Ok(program.engine.compile_expression_with_scope(&names, text)?));
        let mut wrong = Vec::new();
        if let Ok(ast) = ast {
            check(&ast, &self.outline, place, &mut wrong);
            if wrong.is_empty() {
                let message = "this is a plain text, not the value of the field".to_owned();
                let help = format!("write \"${{{text}}}\" for the value");
                diagnostics.push(mistake(place, "bare-field", message, Some(help)));
            }
        }
    }
}

/// Returns the position of the `}` that closes an interpolation; braces in texts and maps do not count.
fn closing(inside: &str) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0_u32, None, false);
    for (at, c) in inside.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) => quote = (open != c).then_some(open),
            (None, '"' | '`') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(at),
            (None, '}') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

fn namespace(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.strip_suffix(".rhai").unwrap_or(file)
}

fn mistake(place: &Place, code: &'static str, message: String, help: Option<String>) -> Diagnostic {
    Diagnostic { place: place.clone(), severity: Severity::Error, code, message, help, policy: None }
}

/// The contents of a script file.
struct File {
    functions: Functions,
    results: BTreeMap<(String, usize), Results>,
}

/// Registers a file's functions and returns their names.
fn load(
    engine: &mut Engine,
    namespace: &str,
    text: &str,
    place: &Place,
    others: &BTreeMap<String, Functions>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<File> {
    let files: Vec<_> = others.keys().cloned().collect();
    let names = Names { outline: None, broken: &BTreeSet::new(), files: &files };
    let ast = parsed(text, place, diagnostics, &names, || engine.compile(text))?;
    if !ast.statements().is_empty() {
        let message = "a script file can contain functions only".to_owned();
        let help = "move the statement into a `fn`".to_owned();
        diagnostics.push(mistake(place, "script-statement", message, Some(help)));
        return None;
    }
    let known: Functions = ast.iter_functions().map(|f| (f.name.to_owned(), f.params.len())).collect();
    let before = diagnostics.len();
    calls::check(&ast, &known, others, place, diagnostics);
    let bodies = bodies::of(&ast);
    flow::of_script(&bodies, place, diagnostics);
    choice::check(engine, text, place, diagnostics);
    if diagnostics.len() > before {
        return None;
    }
    let ast = chosen(engine, ast, text, place, diagnostics, |source| engine.compile(source))?;
    match guarded(|| Module::eval_ast_as_new(Scope::new(), &ast, engine)) {
        Ok(module) => {
            engine.register_static_module(namespace, module.into());
            Some(File { functions: known, results: results::of_file(&bodies) })
        }
        Err(error) => {
            let message = error.message;
            diagnostics.push(error_at(place, error.position, 1, "bad-script", message, None));
            None
        }
    }
}

/// The names that a source may use.
struct Names<'a> {
    /// None for a script file, whose functions see only their arguments.
    outline: Option<&'a Outline>,
    broken: &'a BTreeSet<String>,
    files: &'a [String],
}

/// Parses a source and reports errors in proofd's own words.
fn parsed(
    source: &str,
    place: &Place,
    diagnostics: &mut Vec<Diagnostic>,
    names: &Names<'_>,
    parse: impl FnOnce() -> Result<AST, rhai::ParseError>,
) -> Option<AST> {
    let mut failure = None;
    let ast = guarded(|| {
        parse().map_err(|error| {
            let boxed: Box<EvalAltResult> =
                EvalAltResult::ErrorParsing(error.err_type().clone(), error.position()).into();
            failure = Some(error);
            boxed
        })
    });
    let other = match ast {
        Ok(ast) => return Some(ast),
        Err(other) => other,
    };
    let diagnostic = match &failure {
        None => error_at(place, other.position, 1, "bad-script", other.message, None),
        Some(error) => {
            // A lookalike letter ends a name, and the parser then reports the shorter name as unknown.
            if let Some((at, (message, help))) = foreign_syntax::foreign_in_a_name(source, error.position()) {
                diagnostics.push(error_at(place, at, 1, "bad-script", message, Some(help)));
                return None;
            }
            let (code, message, help) = syntax(error.err_type(), names);
            let help = foreign_syntax::help(source, error.position()).or(help);
            error_at(place, error.position(), 1, code, message, help)
        }
    };
    diagnostics.push(diagnostic);
    None
}

fn syntax(error: &ParseErrorType, known: &Names<'_>) -> (&'static str, String, Option<String>) {
    match error {
        ParseErrorType::VariableUndefined(name) => {
            let help = known.outline.map(|outline| {
                let names = outline.roots().map(|(name, _)| name);
                nearest(name, names).map_or_else(
                    || format!("known: {}; write texts in double quotes", names.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                )
            });
            let help = help.or_else(|| {
                Some("a function knows its arguments only; pass the value as an argument".to_owned())
            });
            ("unknown-name", format!("unknown name `{name}`"), help)
        }
        ParseErrorType::ModuleUndefined(name) => {
            let name = name.trim_end_matches("::");
            if known.broken.contains(name) {
                let message = format!("the script file `{name}.rhai` has an error");
                return ("broken-name", message, Some(format!("fix {name}.rhai first")));
            }
            let files = known.files.iter().map(String::as_str);
            let help = nearest(name, files).map_or_else(
                || format!("add the file {name}.rhai to the policy's directory, or to shared/"),
                |near| format!("did you mean `{near}`?"),
            );
            ("unknown-script", format!("unknown script file `{name}.rhai`"), Some(help))
        }
        ParseErrorType::BadInput(LexError::UnexpectedInput(sign))
            if foreign_syntax::foreign(sign).is_some() =>
        {
            let (message, help) = foreign_syntax::foreign(sign).unwrap_or_default();
            ("bad-script", message, Some(help))
        }
        ParseErrorType::BadInput(error) if !matches!(error, LexError::ImproperSymbol(..)) => {
            ("bad-script", format!("invalid script: {error}"), None)
        }
        ParseErrorType::Reserved(word) | ParseErrorType::BadInput(LexError::ImproperSymbol(word, _)) => {
            let help = format!("for a field of this name write an index: event[\"{word}\"]");
            let help = word.starts_with(char::is_alphabetic).then_some(help);
            ("reserved-word", format!("`{word}` is not available in scripts"), help)
        }
        other => ("bad-script", format!("invalid script: {other}"), None),
    }
}
