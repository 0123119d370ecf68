//! Functions of lists and maps that call a closure. Rhai treats every result except `true` as "no", and ignores errors
//! in some functions. In these versions a result is true or false, or it is an error.

use std::cmp::Ordering;

use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, ImmutableString, Map, NativeCallContext};

use super::values::{raise, type_word};

type Answer<T> = Result<T, Box<EvalAltResult>>;

/// Calls a closure on one item of a list.
fn holds(name: &str, ctx: &NativeCallContext<'_>, asked: &FnPtr, item: &Dynamic, at: usize) -> Answer<bool> {
    let index = [Dynamic::from(i64::try_from(at).unwrap_or(i64::MAX))];
    let mut item = item.clone();
    let answer = asked.call_raw_with_extra_args(name, ctx, Some(&mut item), [], index, Some(0))?;
    truth(name, &answer)
}

fn truth(name: &str, answer: &Dynamic) -> Answer<bool> {
    match answer.as_bool() {
        Ok(answer) => Ok(answer),
        Err(_) => raise(format!("the closure of `{name}` returns {}, not true or false", type_word(answer))),
    }
}

/// Finds the first item, from a position on, for which the closure returns true.
fn first(
    name: &str,
    ctx: &NativeCallContext<'_>,
    list: &Array,
    asked: &FnPtr,
    from: usize,
) -> Answer<Option<usize>> {
    for (at, item) in list.iter().enumerate().skip(from) {
        if holds(name, ctx, asked, item, at)? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// Splits the items into those for which the closure returns true, and the others.
fn parted(name: &str, ctx: &NativeCallContext<'_>, list: &Array, asked: &FnPtr) -> Answer<(Array, Array)> {
    let (mut yes, mut no) = (Array::new(), Array::new());
    for (at, item) in list.iter().enumerate() {
        let to = if holds(name, ctx, asked, item, at)? { &mut yes } else { &mut no };
        to.push(item.clone());
    }
    Ok((yes, no))
}

fn parted_map(name: &str, ctx: &NativeCallContext<'_>, map: &Map, asked: &FnPtr) -> Answer<(Map, Map)> {
    let (mut yes, mut no) = (Map::new(), Map::new());
    for (key, value) in map {
        let mut item = value.clone();
        let answer = asked.call_raw_with_extra_args(
            name,
            ctx,
            Some(&mut item),
            [Dynamic::from(key.to_string())],
            [],
            Some(1),
        )?;
        let to = if truth(name, &answer)? { &mut yes } else { &mut no };
        to.insert(key.clone(), value.clone());
    }
    Ok((yes, no))
}

/// Converts an index to a position in a list; a negative index counts from the end.
fn start(list: &Array, from: i64) -> usize {
    let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
    let from = if from < 0 { from + length } else { from };
    usize::try_from(from.clamp(0, length)).unwrap_or(0)
}

fn place(found: Option<usize>) -> i64 {
    found.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1)
}

/// Registers the functions, in place of Rhai's own.
pub(super) fn register(engine: &mut Engine) {
    type Ctx<'a> = NativeCallContext<'a>;
    engine.register_fn("filter", |ctx: Ctx<'_>, list: &mut Array, asked: FnPtr| {
        parted("filter", &ctx, list, &asked).map(|(yes, _)| yes)
    });
    engine.register_fn("some", |ctx: Ctx<'_>, list: &mut Array, asked: FnPtr| {
        first("some", &ctx, list, &asked, 0).map(|found| found.is_some())
    });
    engine.register_fn("all", |ctx: Ctx<'_>, list: &mut Array, asked: FnPtr| {
        for (at, item) in list.iter().enumerate() {
            if !holds("all", &ctx, &asked, item, at)? {
                return Ok::<_, Box<EvalAltResult>>(false);
            }
        }
        Ok(true)
    });
    let find = |ctx: &Ctx<'_>, list: &Array, asked: &FnPtr, from: usize| -> Answer<Dynamic> {
        let found = first("find", ctx, list, asked, from)?.and_then(|at| list.get(at));
        Ok(found.cloned().unwrap_or(Dynamic::UNIT))
    };
    engine
        .register_fn("find", move |ctx: Ctx<'_>, list: &mut Array, asked: FnPtr| find(&ctx, list, &asked, 0));
    engine.register_fn("find", move |ctx: Ctx<'_>, list: &mut Array, asked: FnPtr, from: i64| {
        find(&ctx, list, &asked, start(list, from))
    });
    engine.register_fn("index_of", |ctx: Ctx<'_>, list: &mut Array, asked: FnPtr| {
        first("index_of", &ctx, list, &asked, 0).map(place)
    });
    engine.register_fn("index_of", |ctx: Ctx<'_>, list: &mut Array, asked: FnPtr, from: i64| {
        first("index_of", &ctx, list, &asked, start(list, from)).map(place)
    });
    engine.register_fn("retain", |ctx: Ctx<'_>, list: &mut Array, asked: FnPtr| {
        let (yes, no) = parted("retain", &ctx, list, &asked)?;
        *list = yes;
        Ok::<_, Box<EvalAltResult>>(no)
    });
    engine.register_fn("drain", |ctx: Ctx<'_>, list: &mut Array, asked: FnPtr| {
        let (yes, no) = parted("drain", &ctx, list, &asked)?;
        *list = no;
        Ok::<_, Box<EvalAltResult>>(yes)
    });
    engine.register_fn("filter", |ctx: Ctx<'_>, map: &mut Map, asked: FnPtr| {
        parted_map("filter", &ctx, map, &asked).map(|(yes, _)| yes)
    });
    engine.register_fn("retain", |ctx: Ctx<'_>, map: &mut Map, asked: FnPtr| {
        let (yes, no) = parted_map("retain", &ctx, map, &asked)?;
        *map = yes;
        Ok::<_, Box<EvalAltResult>>(no)
    });
    engine.register_fn("drain", |ctx: Ctx<'_>, map: &mut Map, asked: FnPtr| {
        let (yes, no) = parted_map("drain", &ctx, map, &asked)?;
        *map = no;
        Ok::<_, Box<EvalAltResult>>(yes)
    });
    ordered(engine);
    // The closure would get the item as `this` and its index as the argument.
    engine.register_fn("for_each", |_: &mut Array, _: FnPtr| {
        raise::<()>("for_each() is not available: write for item in list { ... }")
    });
}

fn ordered(engine: &mut Engine) {
    type Ctx<'a> = NativeCallContext<'a>;
    engine.register_fn("dedup", |ctx: Ctx<'_>, list: &mut Array, same: FnPtr| {
        let mut kept = Array::new();
        for item in list.iter() {
            let twice = match kept.last() {
                Some(last) => {
                    truth("dedup", &same.call_raw(&ctx, None, [Dynamic::clone(last), item.clone()])?)?
                }
                None => false,
            };
            if !twice {
                kept.push(item.clone());
            }
        }
        *list = kept;
        Ok::<_, Box<EvalAltResult>>(())
    });
    for name in ["sort", "sort_by"] {
        engine.register_fn(name, |ctx: Ctx<'_>, list: &mut Array, by: FnPtr| sort(&ctx, list, &by));
    }
    for name in ["order", "order_by"] {
        engine.register_fn(name, |ctx: Ctx<'_>, list: &mut Array, by: FnPtr| {
            let mut sorted = list.clone();
            sort(&ctx, &mut sorted, &by)?;
            Ok::<_, Box<EvalAltResult>>(sorted)
        });
    }
    engine.register_fn("sort", |_: &mut Array, _: ImmutableString| raise::<()>("sort() needs a closure"));
    engine.register_fn("dedup", |_: &mut Array, _: ImmutableString| raise::<()>("dedup() needs a closure"));
    for name in ["filter", "all", "some", "retain", "drain"] {
        engine.register_fn(name, move |_: &mut Array, _: ImmutableString| {
            raise::<Dynamic>(format!("{name}() needs a closure, such as |item| item != \"\""))
        });
    }
}

/// Sorts by a closure that returns a number below, at or above zero, or true if the left item comes first.
fn sort(ctx: &NativeCallContext<'_>, list: &mut Array, by: &FnPtr) -> Answer<()> {
    let mut failed = None;
    let compare = |a: &Dynamic, b: &Dynamic| -> Answer<Ordering> {
        let answer = by.call_raw(ctx, None, [a.clone(), b.clone()])?;
        match (answer.as_int(), answer.as_bool()) {
            (Ok(number), _) => Ok(number.cmp(&0)),
            (_, Ok(true)) => Ok(Ordering::Less),
            (_, Ok(false)) => Ok(Ordering::Greater),
            _ => raise(format!("the closure of `sort` returns {}, not a number", type_word(&answer))),
        }
    };
    list.sort_by(|a, b| {
        if failed.is_some() {
            return Ordering::Equal;
        }
        compare(a, b).unwrap_or_else(|error| {
            failed = Some(error);
            Ordering::Equal
        })
    });
    failed.map_or(Ok(()), Err)
}
