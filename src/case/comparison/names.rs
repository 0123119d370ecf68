//! Compares two names. `docs/names.md` describes the rule.

use std::collections::HashSet;

use super::letters::SYSTEMS;
use super::spelling::{Unit, continues};
use super::words::{Name, Word, alike};

/// Both names of one side.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) first: Name,
    pub(super) last: Name,
}

/// Compares given names: every registered word must be on the document, which may have more.
pub(super) fn given(registered: &[Word], read: &[Word]) -> bool {
    !registered.is_empty() && covers(registered, read, false)
}

/// Compares family names: both sides must have the same words.
pub(super) fn family(registered: &[Word], read: &[Word]) -> bool {
    !registered.is_empty() && !read.is_empty() && covers(registered, read, true)
}

/// Compares whole names where single fields may differ: exchanged fields, another division of words, a single name in
/// either or both fields, or a truncated zone.
pub(super) fn whole(registered: &Person, read: &Person) -> bool {
    let names = [&registered.first, &registered.last, &read.first, &read.last];
    if names.iter().any(|name| matches!(name, Name::Unreadable)) {
        return false;
    }
    // Exchanged fields; the document may still have more given names.
    let exchanged = family(registered.first.words(), read.last.words())
        && given(registered.last.words(), read.first.words());
    exchanged || same_words(registered, read) || cut_off(registered, read)
}

fn same_words(registered: &Person, read: &Person) -> bool {
    let (registered, read) = (once(registered), once(read));
    !registered.is_empty() && !read.is_empty() && covers_rows(&registered, &read, true)
}

/// Returns a person's names as rows of joinable words; a name in both fields appears once.
fn once(person: &Person) -> Vec<&[Word]> {
    let (first, last) = (person.first.words(), person.last.words());
    let texts = |words: &'_ [Word]| words.iter().map(|word| word.text.clone()).collect::<Vec<_>>();
    let rows = if texts(first) == texts(last) { vec![first] } else { vec![first, last] };
    rows.into_iter().filter(|row| !row.is_empty()).collect()
}

fn covers(registered: &[Word], read: &[Word], all_read: bool) -> bool {
    covers_rows(&[registered], &[read], all_read)
}

/// Maximum of words that may be one word on the other side.
const MOST_JOINED: usize = 4;

/// Bound on the search below; real names take a few dozen steps.
const MOST_STEPS: usize = 20_000;

/// A match of the registered words `from..to` with the document's words in the mask.
struct Pair {
    from: usize,
    to: usize,
    read: u32,
}

/// Returns whether the registered words match words of the document, each used once, in any order. One word may match
/// several words of the other side. With `all_read` every word of the document must be used.
fn covers_rows(registered: &[&[Word]], read: &[&[Word]], all_read: bool) -> bool {
    let pairs = pairs(registered, read);
    let count = |rows: &[&[Word]]| rows.iter().map(|row| row.len()).sum::<usize>();
    let (words, all) = (count(registered), (1_u32 << count(read)) - 1);
    let mut seen = HashSet::new();
    let mut open = vec![(0, 0_u32)];
    while let Some((from, used)) = open.pop() {
        if from == words && (!all_read || used == all) {
            return true;
        }
        if !seen.insert((from, used)) || seen.len() > MOST_STEPS {
            continue;
        }
        let next = pairs.iter().filter(|pair| pair.from == from && pair.read & used == 0);
        open.extend(next.map(|pair| (pair.to, used | pair.read)));
    }
    false
}

fn pairs(registered: &[&[Word]], read: &[&[Word]]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (from, ours) in stretches(registered) {
        for (start, theirs) in stretches(read) {
            if (ours.len() == 1 || theirs.len() == 1) && alike(ours, theirs) {
                let mask = ((1_u32 << theirs.len()) - 1) << start;
                pairs.push(Pair { from, to: from + ours.len(), read: mask });
            }
        }
    }
    pairs
}

/// Returns runs of consecutive words of one field, with the index of the first word.
fn stretches<'a>(rows: &[&'a [Word]]) -> Vec<(usize, &'a [Word])> {
    let mut found = Vec::new();
    let mut before = 0;
    for row in rows {
        for from in 0..row.len() {
            for length in 1..=MOST_JOINED.min(row.len() - from) {
                found.extend(row.get(from..from + length).map(|words| (before + from, words)));
            }
        }
        before += row.len();
    }
    found
}

/// Characters for both names in the zones of passports, two-line cards and three-line cards.
const ZONES: [usize; 3] = [39, 31, 30];

/// Minimum of given-name letters in a truncated zone: siblings share the long family name before them.
const LEAST_GIVEN: usize = 4;

/// Returns whether the document's names are the registered ones truncated by a zone: family name first, cut at the
/// line's end. Only a full line counts: a short name must not match as the prefix of a longer one.
fn cut_off(registered: &Person, read: &Person) -> bool {
    let (first, last) = (read.first.words(), read.last.words());
    if first.is_empty() || last.is_empty() || registered.last.words().is_empty() {
        return false;
    }
    let text = |words: &'_ [Word]| words.iter().map(Word::usual).collect::<Vec<_>>().join("<");
    let (last, first) = (text(last), text(first));
    if first.len() < LEAST_GIVEN {
        return false;
    }
    let line = format!("{last}<<{first}");
    // The line ends within a word, or with the filler after one.
    let lines = [line.clone(), format!("{line}<")].into_iter().filter(|line| ZONES.contains(&line.len()));
    let units = |line: String| line.chars().map(|c| Unit::Text(c.to_string())).collect::<Vec<_>>();
    let full = full_lines(registered);
    lines.map(units).any(|line| {
        let line: Vec<&Unit> = line.iter().collect();
        full.iter().any(|full| continues(full, &line))
    })
}

const FILLER: &Unit = &Unit::Ways(&["<"]);

/// Returns the registered names as a zone line of unlimited length.
fn full_lines(person: &Person) -> Vec<Vec<&Unit>> {
    let words: Vec<&Word> = person.last.words().iter().chain(person.first.words()).collect();
    let by = |system: usize| {
        let mut line: Vec<&Unit> = Vec::new();
        for (n, word) in words.iter().enumerate() {
            let fillers = if n == 0 { 0 } else { 1 + usize::from(n == person.last.words().len()) };
            line.extend(std::iter::repeat_n(FILLER, fillers));
            line.extend(word.latin(system)?);
        }
        Some(line)
    };
    (0..SYSTEMS.len()).filter_map(by).collect()
}

/// Returns whether the sides have no common script: one has no romanization, and the other is written in another
/// script.
pub(super) fn no_common_script(registered: &[Word], read: &[Word]) -> bool {
    let only_own = |words: &[Word]| words.iter().any(Word::has_no_latin);
    let foreign = |words: &[Word]| words.iter().any(Word::is_foreign);
    (only_own(registered) && !foreign(read)) || (only_own(read) && !foreign(registered))
}
