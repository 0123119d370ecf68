//! Whether two names are of one person. See `docs/names.md` for the rule in words.

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

/// Given names: every registered word is on the document, which may have more.
pub(super) fn given(registered: &[Word], read: &[Word]) -> bool {
    !registered.is_empty() && covers(registered, read, false)
}

/// Family names: the same words on both sides.
pub(super) fn family(registered: &[Word], read: &[Word]) -> bool {
    !registered.is_empty() && !read.is_empty() && covers(registered, read, true)
}

/// Whether the names agree as a whole, though the fields by themselves may not: the two exchanged, the words
/// divided otherwise, a single name in either field or in both, or a line of the zone that was too short.
pub(super) fn whole(registered: &Person, read: &Person) -> bool {
    let names = [&registered.first, &registered.last, &read.first, &read.last];
    if names.iter().any(|name| matches!(name, Name::Unreadable)) {
        return false;
    }
    // Registered the wrong way round; the document may still have more given names.
    let exchanged = family(registered.first.words(), read.last.words())
        && given(registered.last.words(), read.first.words());
    exchanged || same_words(registered, read) || cut_off(registered, read)
}

fn same_words(registered: &Person, read: &Person) -> bool {
    let (registered, read) = (once(registered), once(read));
    !registered.is_empty() && !read.is_empty() && covers_rows(&registered, &read, true)
}

/// The names of a person as rows of words that may be joined; a name that stands in both fields once.
fn once(person: &Person) -> Vec<&[Word]> {
    let (first, last) = (person.first.words(), person.last.words());
    let texts = |words: &'_ [Word]| words.iter().map(|word| word.text.clone()).collect::<Vec<_>>();
    let rows = if texts(first) == texts(last) { vec![first] } else { vec![first, last] };
    rows.into_iter().filter(|row| !row.is_empty()).collect()
}

fn covers(registered: &[Word], read: &[Word], all_read: bool) -> bool {
    covers_rows(&[registered], &[read], all_read)
}

/// How many words may be one word on the other side.
const MOST_JOINED: usize = 4;

/// Steps of the search below; names of real people take a few dozen.
const MOST_STEPS: usize = 20_000;

/// Registered words `from..to` are the words of the document that the mask names.
struct Pair {
    from: usize,
    to: usize,
    read: u32,
}

/// Whether the registered words can be laid on words of the document, each word used once, in any order; one
/// word may be several on the other side. With `all_read` no word of the document is left over.
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

/// Words in a row of one field, with the number of the first of them.
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

/// Characters for both names in the zones of passports, of two-line cards and of three-line cards.
const ZONES: [usize; 3] = [39, 31, 30];

/// Letters of given names that must be left: brothers and sisters share the long name before them.
const LEAST_GIVEN: usize = 4;

/// Whether the document's names are what a zone holds of the registered ones: family name first, cut where
/// the line ends. Only a line that is full counts, so a short name is never the beginning of a longer one.
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
    // The line ends within a word, or with the filler behind one.
    let lines = [line.clone(), format!("{line}<")].into_iter().filter(|line| ZONES.contains(&line.len()));
    let units = |line: String| line.chars().map(|c| Unit::Text(c.to_string())).collect::<Vec<_>>();
    let full = full_lines(registered);
    lines.map(units).any(|line| {
        let line: Vec<&Unit> = line.iter().collect();
        full.iter().any(|full| continues(full, &line))
    })
}

const FILLER: &Unit = &Unit::Ways(&["<"]);

/// The registered names as a zone of any length would have them.
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

/// Whether one side can only be compared with its own script, and the other is written in another.
pub(super) fn no_common_script(registered: &[Word], read: &[Word]) -> bool {
    let only_own = |words: &[Word]| words.iter().any(Word::has_no_latin);
    let foreign = |words: &[Word]| words.iter().any(Word::is_foreign);
    (only_own(registered) && !foreign(read)) || (only_own(read) && !foreign(registered))
}
