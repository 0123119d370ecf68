//! A store goes on without damaged records. A gap in a repaired journal stands for them, the cases that they
//! touch are quarantined, and the old journal is set aside. What the state held of the damaged records is
//! written into the salvage record, so a state made anew is the same again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use serde::{Deserialize, Serialize};

use super::codec::{self, Body};
use super::commit::{Changed, Commit};
use super::journal::{self, Journal, Repair};
use super::loss::{self, AcceptedLoss, Loss};
use super::mark::{self, Found, Mark, Marker};
use super::state::State;
use super::{Error, Options, keys, opening, rebuild};
use crate::case::{Case, quarantine};
use crate::model::{CaseId, Timestamp};

/// The record of a salvage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Salvage {
    pub(super) loss: AcceptedLoss,
    /// Keys of the state, in hexadecimal digits, to the payload that the damaged records had given them; none:
    /// they had removed it.
    pub(super) restored: BTreeMap<String, Option<String>>,
    /// The quarantined cases.
    pub(super) cases: Vec<Changed>,
}

/// What a salvage did, or would do.
#[derive(Debug, Clone, Serialize)]
pub struct Salvaged {
    /// First and last record of each part that cannot be read any more.
    pub records: Vec<(u64, u64)>,
    /// First and last record of each frame in which one bit was turned back.
    pub mended: Vec<(u64, u64)>,
    /// Cases that the damaged records touch. Open ones are quarantined.
    pub cases: Vec<CaseId>,
    pub quarantined: Vec<CaseId>,
    /// Everything that the damaged records did is known, from the mended frames or from the state.
    pub complete: bool,
    /// Where the old journal is.
    pub aside: Option<PathBuf>,
}

/// Salvages a closed store; with `dry_run` it only reports.
pub fn salvage(dir: &Path, now: Timestamp, reason: &str, dry_run: bool) -> Result<Salvaged, Error> {
    let _lock = opening::lock(dir)?;
    let scratch = dir.join("salvage.scratch");
    rebuild::clear(&scratch)?;
    let outcome = attempt(dir, &scratch, now, reason, dry_run);
    rebuild::clear(&scratch)?;
    outcome
}

fn attempt(
    dir: &Path,
    scratch: &Path,
    now: Timestamp,
    reason: &str,
    dry_run: bool,
) -> Result<Salvaged, Error> {
    let journals = opening::journal_dir(dir);
    let mark = match mark::read(dir)? {
        Found::Read { mark, .. } => Some(mark),
        Found::Missing | Found::Unreadable => None,
    };
    let repair = journal::repair(&journals, mark.map(|mark| mark.head))?;
    let damaged: Vec<(u64, u64)> = repair.gaps.iter().map(|gap| (gap.first, gap.last)).collect();
    let ranges = damaged.iter().chain(&repair.mended);
    let (first, last) = (ranges.clone().map(|range| range.0).min(), ranges.map(|range| range.1).max());
    if first.is_none() && repair.heads.is_empty() {
        return Err(Error::NothingLost);
    }
    let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
    let repaired = lay_out(&journals, scratch, &repair)?;
    let implied = State::open(&scratch.join("state"))?;
    let mut seen = Seen { mended: repair.mended.clone(), last, ..Seen::default() };
    let mut look = |record, commit: &Commit, before: &[Option<Case>]| seen.look(record, commit, before);
    let progress = AtomicU64::new(0);
    let end = rebuild::replay(&repaired, &implied, u64::MAX, Some(&mut look), &progress)??;
    let gaps = !damaged.is_empty();
    let held = if gaps { holding(dir, &repaired, last, end.head().sequence)? } else { None };
    let (restored, mut touched) = match &held {
        Some(state) => differences(&implied, state)?,
        None if gaps => (BTreeMap::new(), seen.jumped_or_silent(&implied)?),
        None => (BTreeMap::new(), BTreeSet::new()),
    };
    touched.append(&mut seen.touched);
    let known = held.is_some() || !gaps;
    let why = format!("records {first} to {last} of the journal are damaged, and they touch this case");
    let cases = put_aside(&touched, held.as_ref().unwrap_or(&implied), now, &why, known)?;
    let quarantined: Vec<_> = cases.iter().map(|changed| changed.case.id.clone()).collect();
    let touched: Vec<_> = touched.into_iter().collect();
    let mut salvaged = Salvaged {
        records: damaged,
        mended: repair.mended.clone(),
        cases: touched.clone(),
        quarantined,
        complete: known,
        aside: None,
    };
    if dry_run {
        return Ok(salvaged);
    }
    let loss = Loss {
        what: format!("damaged records were salvaged; {} cases were quarantined", cases.len()),
        from: (first > 0).then_some(first),
        to: (first > 0).then_some(last),
        since: loss::last_time(dir),
        head: mark.map(|mark| mark.head.to_string()),
    };
    let loss = AcceptedLoss { at: now, reason: reason.to_owned(), loss, cases: touched };
    let options = Options::default();
    journal::settle(&repaired, &options, &end, None)?;
    let mut journal = Journal::resume(&repaired, options.clone(), &end)?;
    let record = codec::encode(&Body::Salvage(Box::new(Salvage { loss, restored, cases })))?;
    journal.append(&[&record]).map_err(|refusal| Error::Damaged(refusal.to_string()))?;
    if !known {
        rebuild::suspect(dir, "the journal was salvaged");
    }
    drop(held);
    salvaged.aside = Some(exchange(dir, &journals, &repaired)?);
    let (segment, length) = journal.place();
    let losses = mark.map_or(0, |mark| mark.losses) + 1;
    Marker::open(dir, Mark { head: journal.head(), segment, length, at: Some(now), losses }, options)?;
    Ok(salvaged)
}

/// The open ones of some cases, quarantined.
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

/// The repaired journal in a directory of its own. Segments that stay are linked, but for the last, which is
/// appended to.
fn lay_out(journals: &Path, scratch: &Path, repair: &Repair) -> Result<PathBuf, Error> {
    let repaired = scratch.join("journal");
    opening::make_dir(&repaired)?;
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
            None => std::fs::hard_link(&from, &to).map_err(Error::io(format!(
                "linking {} to {}",
                from.display(),
                to.display()
            )))?,
        }
    }
    journal::sync_dir(&repaired)?;
    Ok(repaired)
}

/// The state, as far as the repaired journal, if it held the damaged records.
fn holding(dir: &Path, repaired: &Path, last: u64, records: u64) -> Result<Option<State>, Error> {
    let Ok(state) = rebuild::sound(dir)? else { return Ok(None) };
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

type Differences = (BTreeMap<String, Option<String>>, BTreeSet<CaseId>);

/// What the state has and the repaired journal does not imply, and the cases among it.
fn differences(implied: &State, state: &State) -> Result<Differences, Error> {
    let (mut restored, mut touched) = (BTreeMap::new(), BTreeSet::new());
    rebuild::side_by_side(implied, state, &mut |key, _, have| {
        let payload = have.and_then(|value| codec::unseal(key, value));
        let payload = payload.map(|payload| String::from_utf8_lossy(payload).into_owned());
        restored.insert(keys::hex(key), payload);
        touched.extend(keys::case_of(key));
    })?;
    Ok((restored, touched))
}

/// What the records that can be read show of the cases that the damaged ones touch.
#[derive(Debug, Default)]
struct Seen {
    mended: Vec<(u64, u64)>,
    /// The last damaged record.
    last: u64,
    /// Cases in mended records.
    touched: BTreeSet<CaseId>,
    jumped: BTreeSet<CaseId>,
    after: BTreeSet<CaseId>,
}

impl Seen {
    fn look(&mut self, record: u64, commit: &Commit, before: &[Option<Case>]) {
        let mended = self.mended.iter().any(|(first, last)| (*first..=*last).contains(&record));
        for (changed, before) in commit.cases.iter().zip(before) {
            let id = || changed.case.id.clone();
            let due = before.as_ref().map_or(1, |case| case.next_entry);
            if changed.entries.first().is_some_and(|entry| entry.number > due) {
                self.jumped.insert(id());
            }
            if record > self.last {
                self.after.insert(id());
            }
            if mended {
                self.touched.insert(id());
            }
        }
    }

    /// Cases whose entries have a hole, and open cases without a record since, which the damaged records may
    /// have touched.
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

/// The repaired journal takes the place of the damaged one in one step, and that one is set aside.
fn exchange(dir: &Path, journals: &Path, repaired: &Path) -> Result<PathBuf, Error> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let doing = format!("exchanging {} and {}", journals.display(), repaired.display());
    opening::make_dir(journals)?;
    renameat_with(CWD, repaired, CWD, journals, RenameFlags::EXCHANGE)
        .map_err(|error| Error::io(doing)(error.into()))?;
    journal::sync_dir(dir)?;
    let name = |number: u32| dir.join(format!("journal.damaged-{number}"));
    let aside = (1..u32::MAX).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(u32::MAX));
    std::fs::rename(repaired, &aside).map_err(Error::io(format!("setting {} aside", repaired.display())))?;
    journal::sync_dir(dir)?;
    Ok(aside)
}
