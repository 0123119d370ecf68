//! Shapes of policies: revisions, orders about them, verdicts, and the progress of sweeps.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serializer};
use serde_json::Value;

use super::Stored;
use super::table::{choice, record, words, wrapped};
use crate::case::Recorded;
use crate::model::{EventType, SubjectRef, Timestamp, Verdict};
use crate::policy::Revision;
use crate::policy::script::{Answer, Edit, Needs, Seen, Trace, Traced};
use crate::store::commit::Asked;
use crate::store::commit::{Examined, PolicyDeed, PolicyOrder, PolicyVerdict, StoredRevision};
use crate::store::commit::{FirstSeen, SweepChange, SweepPart, SweepRun, SweepState};

wrapped!(Revision(String));

record! { "revision": StoredRevision {
    "policy" => policy: String,
    "revision" => revision: Revision,
    "files" => files: BTreeMap<String, String>,
    "at" => at: Timestamp,
    "tests" => tests: Examined,
} }

record! { "examined": Examined {
    "tests" => tests: usize,
    "walked" => walked: BTreeSet<String>,
    "not_walked" => not_walked: BTreeSet<String>,
} }

record! { "policy_order": PolicyOrder {
    "policy" => policy: String,
    "what" => what: PolicyDeed,
    "revision" => revision: Revision,
    "over" => over: Option<Revision>,
    "by" => by: String,
    "reason" => reason: String,
    "at" => at: Timestamp,
    "newly" => newly: BTreeMap<String, usize>,
    "began" => began: Option<Revision>,
} }

words! { "policy_deed": PolicyDeed {
    "released" => Released,
    "reverted" => Reverted,
    "superseded" => Superseded,
    "parked" => Parked,
    "gone" => Gone,
    "passed" => Passed,
    "edited" => Edited,
    "returned" => Returned,
    "dropped" => Dropped,
} }

record! { "verdict": PolicyVerdict {
    "policy" => policy: String,
    "revision" => revision: Revision,
    "verdict" => verdict: Verdict,
    "detail" => detail: String,
    "clause" => clause: Option<usize>,
    "about" => about: Option<SubjectRef>,
    "trace" => trace: Option<Trace>,
    "would_open" => would_open: Option<Box<Recorded>>,
} }

/// Written as a word. Unknown words of other versions are read as `Other`.
impl Stored for Verdict {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.word())
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|word| Self::of_word(&word))
    }

    #[cfg(test)]
    fn describe(all: &mut super::pinned::Shapes) {
        all.add::<Self>("answered", &Self::ALL.map(Self::word));
    }
}

record! { "asked": Asked {
    "at" => at: Timestamp,
    "subject" => subject: SubjectRef,
    "event" => event: String,
    "kind" => kind: String,
    "also" => also: Vec<EventType>,
    "time" => time: Timestamp,
    "said" => said: PolicyVerdict,
} }

record! { "trace": Trace {
    "clauses" => clauses: Vec<Traced>,
    "changes" => changes: Vec<Vec<Edit>>,
} }

record! { "traced": Traced {
    "clause" => clause: String,
    "file" => file: String,
    "line" => line: usize,
    "column" => column: usize,
    "answer" => answer: Answer,
    "stopped" => stopped: bool,
    "error" => error: Option<String>,
    "values" => values: Vec<Seen>,
} }

words! { "answer": Answer {
    "holds" => Holds,
    "fails" => Fails,
    "error" => Error,
} }

record! { "seen": Seen {
    "path" => path: String,
    "value" => value: Value,
} }

record! { "edit": Edit {
    "path" => path: String,
    "is" => is: Value,
    "needs" => needs: Needs,
    "than" => than: Value,
    "setting" => setting: Option<String>,
} }

words! { "needs": Needs {
    "is" => Is,
    "is_not" => IsNot,
    "above" => Above,
    "at_least" => AtLeast,
    "below" => Below,
    "at_most" => AtMost,
    "one_of" => OneOf,
    "none_of" => NoneOf,
    "contains" => Contains,
    "contains_not" => ContainsNot,
} }

choice! { "sweep_change": SweepChange {
    "state" => State(it: SweepState),
    "ended" => Ended { "schedule" => schedule: String, "run" => run: SweepRun },
    "part" => Part(it: SweepPart),
    "first_seen" => FirstSeen(it: FirstSeen),
} }

record! { "sweep": SweepState {
    "schedule" => schedule: String,
    "timetable" => timetable: String,
    "awake" => awake: bool,
    "settled" => settled: Timestamp,
    "run" => run: Option<SweepRun>,
} }

record! { "sweep_run": SweepRun {
    "nominal" => nominal: Timestamp,
    "revision" => revision: Revision,
    "shadow" => shadow: bool,
    "began" => began: Timestamp,
    "ended" => ended: Option<Timestamp>,
    "end" => end: Option<String>,
    "picked" => picked: Option<u32>,
    "position" => position: u32,
    "looked_at" => looked_at: u64,
    "due" => due: u64,
    "opened" => opened: u32,
    "would_open" => would_open: u32,
    "left" => left: u64,
    "skipped" => skipped: BTreeMap<String, u64>,
    "not_noted" => not_noted: u64,
} }

record! { "sweep_part": SweepPart {
    "schedule" => schedule: String,
    "number" => number: u32,
    "people" => people: Vec<String>,
} }

record! { "first_seen": FirstSeen {
    "policy" => policy: String,
    "shadow" => shadow: bool,
    "person" => person: String,
    "at" => at: Timestamp,
} }
