//! Salvages a store with damaged records. Gap frames in a repaired journal replace them, affected cases are
//! quarantined, and the old journal is set aside. The salvage record stores the damaged records' effects that the state
//! held, which makes a rebuilt state equal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use serde::Serialize;

use super::commit::{AcceptedLoss, Body, Changed, Commit, Loss, Salvage};
use super::directory::{clear, journal_dir, lock, make_dir};
use super::journal::{self, End, Journal, Repair};
use super::mark::{self, Found, Mark, Marker};
use super::rebuild::Before;
use super::state::State;
use super::verify::side_by_side;
use super::{Act, Error, Options, keys, loss, rebuild, shape};
use crate::case::{Case, quarantine};
use crate::model::{CaseId, Timestamp};

/// The result of a salvage, or of its dry run.
#[derive(Debug, Clone, Serialize)]
pub struct Salvaged {
    /// First and last record of each unreadable part.
    pub records: Vec<(u64, u64)>,
    /// First and last record of each frame with one mended bit, where a hash proves the result.
    pub mended: Vec<(u64, u64)>,
    /// The same for the last frame, where no hash proves the result.
    pub doubtful: Option<(u64, u64)>,
    /// Cases affected by lost records or an unproven frame. Open ones are quarantined.
    pub cases: Vec<CaseId>,
    pub quarantined: Vec<CaseId>,
    /// The effects of the lost records are known from the state, or none is lost.
    pub complete: bool,
    /// The path of the old journal.
    pub aside: Option<PathBuf>,
}

/// Salvages a closed store; with `dry_run` it only reports.
pub fn salvage(dir: &Path, now: Timestamp, reason: &str, dry_run: bool) -> Result<Salvaged, Error> {
    salvage_with(dir, now, reason, dry_run, &Options::default())
}

/// Salvages a closed store with hooks.
pub fn salvage_with(
    dir: &Path,
    now: Timestamp,
    reason: &str,
    dry_run: bool,
    options: &Options,
) -> Result<Salvaged, Error> {
    let _lock = lock(dir)?;
    let scratch = dir.join("salvage.scratch");
    clear(&scratch)?;
    let outcome = Work { dir, scratch: &scratch, now, options }.salvage(reason, dry_run);
    clear(&scratch)?;
    outcome
}

struct Work<'a> {
    dir: &'a Path,
    scratch: &'a Path,
    now: Timestamp,
    options: &'a Options,
}

impl Work<'_> {
    fn salvage(&self, reason: &str, dry_run: bool) -> Result<Salvaged, Error> {
        let journals = journal_dir(self.dir);
        let (mark, whole) = match mark::read(self.dir)? {
            Found::Read { mark, whole } => (Some(mark), whole),
            Found::Missing | Found::Unreadable => (None, false),
        };
        let state = rebuild::sound(self.dir)?.ok();
        // A damaged slot of the mark may have covered a later frame, which the state may know.
        let known = state.as_ref().filter(|_| !whole).map(|state| state.meta().head);
        let end = mark.map(|mark| mark.head).into_iter().chain(known).max_by_key(|end| end.sequence);
        let repair = journal::repair(&journals, end.filter(|end| end.sequence > 0), whole)?;
        if repair.is_empty() {
            return Err(Error::NothingDamaged);
        }
        let repaired = lay_out(&journals, self.scratch, &repair)?;
        let (mut salvaged, rest) = self.find(&repair, &repaired, state)?;
        if dry_run {
            return Ok(salvaged);
        }
        let losses = mark.map_or(0, |mark| mark.losses) + 1;
        // Without a loss, the repaired journal equals the written one byte by byte.
        let Some(Rest { end, held, restored, cases, from, to }) = rest else {
            salvaged.aside = Some(self.exchange(&journals, &repaired)?);
            return Ok(salvaged);
        };
        let loss = Loss {
            what: format!("damaged records were salvaged; quarantined cases: {}", cases.len()),
            from: Some(from),
            to: Some(to),
            since: loss::last_time(self.dir),
            head: mark.map(|mark| mark.head.to_string()),
        };
        let loss =
            AcceptedLoss { at: self.now, reason: reason.to_owned(), loss, cases: salvaged.cases.clone() };
        journal::settle(&repaired, self.options, &end, None)?;
        let mut journal = Journal::resume(&repaired, self.options.clone(), &end)?;
        let record = shape::encode(&Body::Salvage(Box::new(Salvage { loss, restored, cases })))?;
        journal.append(&[&record]).map_err(|refusal| Error::Damaged(refusal.to_string()))?;
        if !salvaged.complete {
            rebuild::suspect(self.dir, "the journal was salvaged");
        }
        salvaged.aside = Some(self.exchange(&journals, &repaired)?);
        // A crash before this point leaves a mark that the new journal also covers.
        let (segment, length) = journal.place();
        let mark = Mark { head: journal.head(), segment, length, at: Some(self.now), losses };
        Marker::open(self.dir, mark, self.options.clone())?;
        if let Some(state) = held
            && let Err(error) = catch_up(&journals, &state)
        {
            rebuild::suspect(self.dir, &error.to_string());
        }
        Ok(salvaged)
    }

    /// Finds the affected cases and builds the data of the salvage record; `None` if nothing is lost.
    fn find(
        &self,
        repair: &Repair,
        repaired: &Path,
        state: Option<State>,
    ) -> Result<(Salvaged, Option<Rest>), Error> {
        let records: Vec<(u64, u64)> = repair.gaps.iter().map(|gap| (gap.first, gap.last)).collect();
        let lost = || records.iter().copied().chain(repair.doubtful);
        let implied = State::open(&self.scratch.join("state"))?;
        let last = records.iter().map(|range| range.1).max().unwrap_or_default();
        let first = records.iter().map(|range| range.0).min().unwrap_or_default();
        let mut seen = Seen { doubtful: repair.doubtful, first, last, ..Seen::default() };
        let mut look = |record, commit: &Commit, before: &[Before]| seen.look(record, commit, before);
        let end = rebuild::replay(repaired, &implied, u64::MAX, Some(&mut look), &AtomicU64::new(0))??;
        let mut salvaged = Salvaged {
            records: records.clone(),
            mended: repair.mended.clone(),
            doubtful: repair.doubtful,
            cases: Vec::new(),
            quarantined: Vec::new(),
            complete: true,
            aside: None,
        };
        let (Some(from), Some(to)) = (lost().map(|range| range.0).min(), lost().map(|range| range.1).max())
        else {
            return Ok((salvaged, None));
        };
        let held = match state {
            Some(state) if last > 0 => holding(state, repaired, last, end.head().sequence)?,
            Some(_) | None => None,
        };
        salvaged.complete = held.is_some() || last == 0;
        let (restored, mut touched) = match &held {
            Some(state) => differences(&implied, state)?,
            None if last > 0 => (BTreeMap::new(), seen.jumped_or_silent(&implied)?),
            None => (BTreeMap::new(), BTreeSet::new()),
        };
        touched.append(&mut seen.touched);
        let why = format!("records {from} to {to} of the journal are damaged, and they touch this case");
        let now = held.as_ref().unwrap_or(&implied);
        let cases = put_aside(&touched, now, self.now, &why, salvaged.complete)?;
        salvaged.quarantined = cases.iter().map(|changed| changed.case.id.clone()).collect();
        salvaged.cases = touched.into_iter().collect();
        Ok((salvaged, Some(Rest { end, held, restored, cases, from, to })))
    }

    /// Replaces the damaged journal by the repaired one atomically. The damaged one is set aside before, which protects
    /// it from a crash.
    fn exchange(&self, journals: &Path, repaired: &Path) -> Result<PathBuf, Error> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        make_dir(journals)?;
        let name = |number: u32| self.dir.join(format!("journal.damaged-{number}"));
        let aside = (1..u32::MAX).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(u32::MAX));
        let doing = format!("exchanging {} and {}", journals.display(), repaired.display());
        let done = link_all(journals, &aside).and_then(|()| journal::sync_dir(self.dir)).and_then(|()| {
            let exchange = || Ok(renameat_with(CWD, repaired, CWD, journals, RenameFlags::EXCHANGE)?);
            self.options.before(Act::Exchange).and_then(|()| exchange()).map_err(Error::io(doing))
        });
        if let Err(error) = done {
            clear(&aside)?;
            return Err(error);
        }
        journal::sync_dir(self.dir)?;
        Ok(aside)
    }
}

/// Data of a salvage record: restored effects, quarantined cases, first and last lost record. `end`: of the repaired
/// journal. `held`: the state, if it held the lost records.
struct Rest {
    end: End,
    held: Option<State>,
    restored: BTreeMap<String, Option<String>>,
    cases: Vec<Changed>,
    from: u64,
    to: u64,
}

/// Returns the open cases among some, quarantined.
fn put_aside(
    touched: &BTreeSet<CaseId>,
    state: &State,
    now: Timestamp,
    why: &str,
    known: bool,
) -> Result<Vec<Changed>, Error> {
    let mut cases = Vec::new();
    for id in touched {
        let case = state.value::<Case>(&keys::case(id))?;
        let quarantined = case.and_then(|case| quarantine(case, now, why, known));
        cases.extend(quarantined.map(|(case, entry)| Changed {
            case,
            entries: vec![entry],
            effects: Vec::new(),
            at: now,
            recorded: None,
        }));
    }
    Ok(cases)
}

/// Writes the repaired journal to its own directory. Unchanged segments are linked, except the last one, which is
/// appended to.
fn lay_out(journals: &Path, scratch: &Path, repair: &Repair) -> Result<PathBuf, Error> {
    let repaired = scratch.join("journal");
    make_dir(&repaired)?;
    let changed: BTreeMap<u64, &Vec<u8>> =
        repair.segments.iter().map(|(number, bytes)| (*number, bytes)).collect();
    for number in 1..=repair.last {
        let to = journal::segment_path(&repaired, number);
        let from = journal::segment_path(journals, number);
        match changed.get(&number) {
            Some(bytes) => journal::write_whole(&to, bytes)?,
            None if number == repair.last => {
                let bytes = std::fs::read(&from).map_err(Error::io(format!("reading {}", from.display())))?;
                journal::write_whole(&to, &bytes)?;
            }
            None => link(&from, &to)?,
        }
    }
    journal::sync_dir(&repaired)?;
    Ok(repaired)
}

/// Links a file that is no longer written; copies it if the file system has no links.
fn link(from: &Path, to: &Path) -> Result<(), Error> {
    if std::fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    let bytes = std::fs::read(from).map_err(Error::io(format!("reading {}", from.display())))?;
    journal::write_whole(to, &bytes)
}

/// Links the files of a directory into another one.
fn link_all(from: &Path, to: &Path) -> Result<(), Error> {
    let doing = || format!("listing {}", from.display());
    make_dir(to)?;
    for entry in std::fs::read_dir(from).map_err(Error::io(doing()))? {
        let entry = entry.map_err(Error::io(doing()))?;
        link(&entry.path(), &to.join(entry.file_name()))?;
    }
    journal::sync_dir(to)
}

/// Returns the state, updated to the repaired journal's end, if it held the damaged records.
fn holding(state: State, repaired: &Path, last: u64, records: u64) -> Result<Option<State>, Error> {
    let meta = state.meta();
    let mut same = meta.head.sequence == 0;
    journal::read(repaired, 1, &mut |piece| {
        same |= matches!(piece, journal::Piece::Frame(head) if head == meta.head);
        Ok(())
    })?;
    if meta.applied < last || meta.applied > records || !same {
        return Ok(None);
    }
    Ok(rebuild::replay(repaired, &state, u64::MAX, None, &AtomicU64::new(0))?.is_ok().then_some(state))
}

/// Updates the state to the end of the journal.
fn catch_up(journals: &Path, state: &State) -> Result<(), Error> {
    rebuild::replay(journals, state, u64::MAX, None, &AtomicU64::new(0))??;
    state.sync()
}

type Differences = (BTreeMap<String, Option<String>>, BTreeSet<CaseId>);

/// Returns what the state contains beyond the repaired journal, and the cases among it.
fn differences(implied: &State, state: &State) -> Result<Differences, Error> {
    let (mut restored, mut touched) = (BTreeMap::new(), BTreeSet::new());
    side_by_side(implied, state, &mut |key, _, have| {
        let payload = have.map(|payload| String::from_utf8_lossy(payload).into_owned());
        restored.insert(keys::hex(key), payload);
        touched.extend(keys::case_of(key));
    })?;
    Ok((restored, touched))
}

/// Evidence from readable records about cases in damaged ones.
#[derive(Debug, Default)]
struct Seen {
    doubtful: Option<(u64, u64)>,
    /// The first and the last lost record.
    first: u64,
    last: u64,
    /// Cases in doubtful records.
    touched: BTreeSet<CaseId>,
    jumped: BTreeSet<CaseId>,
    after: BTreeSet<CaseId>,
}

impl Seen {
    fn look(&mut self, record: u64, commit: &Commit, before: &[Before]) {
        let doubtful = self.doubtful.is_some_and(|(first, last)| (first..=last).contains(&record));
        for (changed, before) in commit.cases.iter().zip(before) {
            let id = || changed.case.id.clone();
            let due = before.case.as_ref().map_or(1, |case| case.next_entry);
            let jumps = changed.entries.first().is_some_and(|entry| entry.number > due);
            // Gaps of an earlier salvage are excluded.
            if jumps && before.doubtful && record > self.first {
                self.jumped.insert(id());
            }
            if record > self.last {
                self.after.insert(id());
            }
            if doubtful {
                self.touched.insert(id());
            }
        }
    }

    /// Returns the cases that damaged records may have touched: cases with a hole in their entries, and open cases
    /// without a later record.
    fn jumped_or_silent(&mut self, implied: &State) -> Result<BTreeSet<CaseId>, Error> {
        let mut found = std::mem::take(&mut self.jumped);
        let prefix = keys::Key::new(keys::Kind::Case).end();
        implied.walk(&prefix, &prefix, &mut |_, case: Case| {
            if !case.is_closed() && !self.after.contains(&case.id) {
                found.insert(case.id);
            }
            true
        })?;
        Ok(found)
    }
}
