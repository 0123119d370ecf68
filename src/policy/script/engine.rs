//! The Rhai engine, with few packages and with every limit set. Policies without script files share one.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage,
    BasicMathPackage, BasicStringPackage, LogicPackage, MoreStringPackage, Package as _,
};
use rhai::{Dynamic, Engine, EvalAltResult, OptimizationLevel, Position};

use super::mistake::Mistake;
use super::texts::{self, register_division, register_texts, register_written};
use super::values::{register_comparisons, register_times};
use super::{choice, lists, rewrite};

const LONGEST_TEXT: usize = 16 * 1024;

/// The maximum time of one evaluation. The other limits end nearly every runaway script sooner; this one ends scripts
/// whose single operations are slow.
const LONGEST_RUN: Duration = Duration::from_millis(250);

thread_local! {
    /// The deadline of the evaluation on this thread. Only here does the script engine read a clock: a deadline can
    /// turn a result into an error, but never into another result.
    static STOP_AT: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The packages, whose functions all engines share.
struct Packages {
    arithmetic: ArithmeticPackage,
    logic: LogicPackage,
    basic_string: BasicStringPackage,
    more_string: MoreStringPackage,
    basic_array: BasicArrayPackage,
    basic_map: BasicMapPackage,
    basic_math: BasicMathPackage,
    basic_iterator: BasicIteratorPackage,
    basic_fn: BasicFnPackage,
}

static PACKAGES: LazyLock<Packages> = LazyLock::new(|| Packages {
    arithmetic: ArithmeticPackage::new(),
    logic: LogicPackage::new(),
    basic_string: BasicStringPackage::new(),
    more_string: MoreStringPackage::new(),
    basic_array: BasicArrayPackage::new(),
    basic_map: BasicMapPackage::new(),
    basic_math: BasicMathPackage::new(),
    basic_iterator: BasicIteratorPackage::new(),
    basic_fn: BasicFnPackage::new(),
});

impl Packages {
    fn register(&self, engine: &mut Engine) {
        self.arithmetic.register_into_engine(engine);
        self.logic.register_into_engine(engine);
        self.basic_string.register_into_engine(engine);
        self.more_string.register_into_engine(engine);
        self.basic_array.register_into_engine(engine);
        self.basic_map.register_into_engine(engine);
        self.basic_math.register_into_engine(engine);
        self.basic_iterator.register_into_engine(engine);
        self.basic_fn.register_into_engine(engine);
    }
}

/// The engine of programs without functions of their own.
pub(super) static BARE: LazyLock<Arc<Engine>> = LazyLock::new(|| Arc::new(engine()));

pub(super) fn engine() -> Engine {
    let mut engine = Engine::new_raw();
    PACKAGES.register(&mut engine);
    // Constant folding would evaluate comparisons before proofd's own versions can refuse them.
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
        (late || texts::is_holed()).then_some(Dynamic::UNIT)
    });
    register_comparisons(&mut engine);
    register_times(&mut engine);
    register_written(&mut engine);
    register_texts(&mut engine, LONGEST_TEXT);
    register_division(&mut engine);
    lists::register(&mut engine);
    choice::register(&mut engine);
    rewrite::register(&mut engine);
    engine
}

/// Runs an engine operation within the time limit; a panic inside becomes an error.
pub(super) fn guarded<T>(run: impl FnOnce() -> Result<T, Box<EvalAltResult>>) -> Result<T, Mistake> {
    STOP_AT.set(Some(Instant::now() + LONGEST_RUN));
    texts::hole();
    let ended = catch_unwind(AssertUnwindSafe(run));
    STOP_AT.set(None);
    if let Some(what) = texts::hole() {
        let message = format!("{what} is used in a text; use a text, or add a default with ??");
        return Err(Mistake { message, position: Position::NONE });
    }
    match ended {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Mistake::of(&error)),
        Err(_) => Err(Mistake {
            message: "the script engine failed on this expression; simplify it".to_owned(),
            position: Position::NONE,
        }),
    }
}
