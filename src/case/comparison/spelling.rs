//! A word as everything that it may be written as, without writing all of it out: a sequence of units, each
//! with its alternatives. The number of whole spellings grows with the power of the length; units do not.

use std::collections::HashSet;

/// A letter, or letters that stand for one sound, with the ways to write it. The first way is the usual one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unit {
    Ways(&'static [&'static str]),
    Text(String),
}

impl Unit {
    fn ways(&self) -> impl Iterator<Item = &str> {
        let (many, one) = match self {
            Self::Ways(ways) => (*ways, None),
            Self::Text(text) => (&[][..], Some(text.as_str())),
        };
        many.iter().copied().chain(one)
    }

    pub(super) fn usual(&self) -> &str {
        self.ways().next().unwrap_or_default()
    }
}

/// Whether two sequences have a spelling in common.
pub(super) fn same(a: &[&Unit], b: &[&Unit]) -> bool {
    meet(a, b, |left, right, ahead| left == 0 && right == 0 && ahead.is_empty())
}

/// Whether some spelling of `whole` begins with some spelling of `start` and goes on behind it.
pub(super) fn continues(whole: &[&Unit], start: &[&Unit]) -> bool {
    meet(whole, start, |left, right, ahead| match ahead {
        Ahead::First(rest) => right == 0 && (!rest.is_empty() || left > 0),
        Ahead::Second(_) => false,
    })
}

/// What one side has already spelled that the other has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Ahead<'a> {
    First(&'a str),
    Second(&'a str),
}

impl Ahead<'_> {
    fn is_empty(self) -> bool {
        matches!(self, Self::First("") | Self::Second(""))
    }
}

/// Walks both sequences side by side. `done` sees how many units are left on each side. Every state is
/// visited once, so the work is bounded by the product of the lengths.
fn meet<'a>(a: &'a [&'a Unit], b: &'a [&'a Unit], done: impl Fn(usize, usize, Ahead<'_>) -> bool) -> bool {
    let mut seen = HashSet::new();
    let mut open = vec![(0, 0, Ahead::First(""))];
    while let Some(state) = open.pop() {
        if !seen.insert(state) {
            continue;
        }
        let (i, j, ahead) = state;
        if done(a.len() - i, b.len() - j, ahead) {
            return true;
        }
        match ahead {
            Ahead::First(rest) if !rest.is_empty() || i == a.len() => {
                for way in b.get(j).into_iter().flat_map(|unit| unit.ways()) {
                    if let Some(rest) = rest.strip_prefix(way) {
                        open.push((i, j + 1, Ahead::First(rest)));
                    } else if let Some(more) = way.strip_prefix(rest) {
                        open.push((i, j + 1, Ahead::Second(more)));
                    }
                }
            }
            Ahead::First(_) => {
                let ways = a.get(i).into_iter().flat_map(|unit| unit.ways());
                open.extend(ways.map(|way| (i + 1, j, Ahead::First(way))));
            }
            Ahead::Second(rest) => {
                for way in a.get(i).into_iter().flat_map(|unit| unit.ways()) {
                    if let Some(rest) = rest.strip_prefix(way) {
                        open.push((i + 1, j, Ahead::Second(rest)));
                    } else if let Some(more) = way.strip_prefix(rest) {
                        open.push((i + 1, j, Ahead::First(more)));
                    }
                }
            }
        }
    }
    false
}
