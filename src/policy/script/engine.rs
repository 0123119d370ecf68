//! The Rhai engine of one policy: few packages, every limit, and errors without values in them.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage,
    BasicMathPackage, BasicStringPackage, LogicPackage, MoreStringPackage, Package as _,
};
use rhai::{Dynamic, Engine, EvalAltResult, OptimizationLevel, Position};

use super::values::{Raised, register_comparisons, register_texts, register_times};

const LONGEST_TEXT: usize = 16 * 1024;

/// How long one evaluation may take. The other limits end nearly every runaway script sooner; this one
/// ends those whose single operations are slow.
const LONGEST_RUN: Duration = Duration::from_millis(250);

thread_local! {
    /// When the evaluation on this thread must be over. The one place where a clock is read here: it can
    /// only turn an answer into an error, never into another answer.
    static STOP_AT: Cell<Option<Instant>> = const { Cell::new(None) };
}

pub(super) fn engine() -> Engine {
    let mut engine = Engine::new_raw();
    ArithmeticPackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    BasicStringPackage::new().register_into_engine(&mut engine);
    MoreStringPackage::new().register_into_engine(&mut engine);
    BasicArrayPackage::new().register_into_engine(&mut engine);
    BasicMapPackage::new().register_into_engine(&mut engine);
    BasicMathPackage::new().register_into_engine(&mut engine);
    BasicIteratorPackage::new().register_into_engine(&mut engine);
    BasicFnPackage::new().register_into_engine(&mut engine);
    // Folding constants would answer comparisons before ours could refuse them.
    engine.set_optimization_level(OptimizationLevel::None);
    engine.set_fast_operators(false);
    engine.set_strict_variables(true);
    engine.set_fail_on_invalid_map_property(true);
    engine.set_max_operations(100_000).set_max_call_levels(24).set_max_expr_depths(64, 32);
    engine.set_max_string_size(LONGEST_TEXT).set_max_array_size(2_000).set_max_map_size(1_000);
    engine.set_max_variables(128).set_max_functions(128).set_max_modules(0);
    for word in ["eval", "import", "export", "print", "debug", "Fn", "call", "curry", "exit"] {
        engine.disable_symbol(word);
    }
    engine.on_print(|_| {}).on_debug(|_, _, _| {});
    engine.on_progress(|_| {
        let late = STOP_AT.get().is_some_and(|stop| Instant::now() >= stop);
        late.then_some(Dynamic::UNIT)
    });
    register_comparisons(&mut engine);
    register_times(&mut engine);
    register_texts(&mut engine, LONGEST_TEXT);
    engine
}

/// Runs something of the engine within its time; a panic inside becomes an error.
pub(super) fn guarded<T>(run: impl FnOnce() -> Result<T, Box<EvalAltResult>>) -> Result<T, Mistake> {
    STOP_AT.set(Some(Instant::now() + LONGEST_RUN));
    let ended = catch_unwind(AssertUnwindSafe(run));
    STOP_AT.set(None);
    match ended {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Mistake::of(&error)),
        Err(_) => Err(Mistake {
            message: "the script engine failed on this; write it in a simpler way".to_owned(),
            position: Position::NONE,
        }),
    }
}

/// An error of the engine in our words.
#[derive(Debug)]
pub(super) struct Mistake {
    pub message: String,
    pub position: Position,
}

impl Mistake {
    /// Values of fields can be in almost any message of the engine, so none is passed on; only names that
    /// stand in the source are.
    fn of(error: &EvalAltResult) -> Self {
        use EvalAltResult as E;
        if let E::ErrorInFunctionCall(function, _, inner, position) = error {
            let inner = Self::of(inner);
            let at = if inner.position.is_none() {
                String::new()
            } else {
                format!(" at line {} of its file", inner.position.line().unwrap_or(0))
            };
            let inside = if function.starts_with("anon$") { "a closure" } else { function };
            return Self { message: format!("{} (in {inside}{at})", inner.message), position: *position };
        }
        let message = match error {
            E::ErrorRuntime(value, _) => match value.clone().try_cast::<Raised>() {
                Some(Raised(message)) => message,
                None => "the script ended itself with `throw`".to_owned(),
            },
            E::ErrorPropertyNotFound(..) => {
                "a key is not in the map; ask with `in` first, or use an index with ??".to_owned()
            }
            E::ErrorDotExpr(..) | E::ErrorIndexingType(..) => {
                "the value has no fields, perhaps because it is empty; test it with == () or use ?."
                    .to_owned()
            }
            E::ErrorFunctionNotFound(signature, _) => {
                let name = signature.split('(').next().unwrap_or_default().trim();
                format!(
                    "`{name}` does not exist for values of these types; one may be empty: test it with == () or use ??"
                )
            }
            E::ErrorMismatchDataType(wanted, got, _) | E::ErrorMismatchOutputType(wanted, got, _) => {
                let (wanted, got) = (type_name(wanted), type_name(got));
                format!("{wanted} is needed here, but the value is {got}; test it with == () or use ??")
            }
            E::ErrorArithmetic(..) => "the calculation overflows or divides by zero".to_owned(),
            E::ErrorArrayBounds(..) | E::ErrorStringBounds(..) | E::ErrorIndexNotFound(..) => {
                "there is nothing at this index".to_owned()
            }
            E::ErrorTooManyOperations(_) | E::ErrorTerminated(..) => "it takes too long".to_owned(),
            E::ErrorStackOverflow(_) => "functions call each other too deeply".to_owned(),
            E::ErrorDataTooLarge(..) | E::ErrorTooManyVariables(_) | E::ErrorTooManyModules(_) => {
                "it uses too much memory".to_owned()
            }
            E::ErrorVariableNotFound(..) | E::ErrorModuleNotFound(..) => "a name is not known".to_owned(),
            _ => "it cannot be evaluated".to_owned(),
        };
        Self { message, position: error.position() }
    }
}

fn type_name(name: &str) -> &str {
    match name {
        "()" => "empty",
        "bool" => "true/false",
        "string" | "&str" | "char" => "text",
        "i64" | "f64" => "a number",
        "array" => "a list",
        "map" => "a map",
        "time" => "a time",
        "date" => "a date",
        "duration" => "a duration",
        _ => "something else",
    }
}
