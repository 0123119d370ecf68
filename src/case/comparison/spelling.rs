//! All spellings of a word as a sequence of units, each with its alternatives. The number of full spellings grows
//! exponentially with the length; the number of units does not.

use std::collections::HashSet;

/// A letter, or letters for one sound, with its spellings. The first one is the usual spelling.
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

/// Returns whether two sequences have a spelling in common.
pub(super) fn same(a: &[&Unit], b: &[&Unit]) -> bool {
    meet(a, b, |left, right, ahead| left == 0 && right == 0 && ahead.is_empty())
}

/// Returns whether a spelling of `whole` starts with a spelling of `start` and is longer.
pub(super) fn continues(whole: &[&Unit], start: &[&Unit]) -> bool {
    meet(whole, start, |left, right, ahead| match ahead {
        Ahead::First(rest) => right == 0 && (!rest.is_empty() || left > 0),
        Ahead::Second(_) => false,
    })
}

/// The letters that one side has spelled ahead of the other.
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

/// Walks both sequences in parallel. `done` receives the number of remaining units on each side. Each state is visited
/// once, which bounds the work by the product of the lengths.
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
