//! The invariants of a campaign's evidence, one function each. Each function returns the violations.

use std::collections::{BTreeMap, BTreeSet};

use proofd::case::Note;
use proofd::model::Timestamp;
use proofd::simulate::ledger::{Record, System};

use crate::evidence::{Evidence, PROVIDER, Story};
use crate::lives::Kind;

pub type Check = fn(&Evidence) -> Vec<String>;

pub const ALL: &[(&str, Check)] = &[
    ("I1", i1_no_case_is_lost),
    ("I2", i2_every_case_has_ended_as_the_vendor_said),
    ("I3", i3_approved_only_with_a_pass_of_its_own_session),
    ("I4", i4_nothing_is_done_twice),
    ("I5", i5_approved_people_are_not_deleted),
    ("I6", i6_a_mail_has_one_copy_and_one_more_for_each_attempt_in_doubt),
    ("I7", i7_one_session_is_delivered_for_a_start),
    ("I8", i8_the_journal_holds_and_says_what_is_done_before_it_is_done),
    ("I9", i9_no_secret_and_no_name_is_written_for_operators),
    ("I10", i10_no_timer_is_early),
    ("I11", i11_deciding_again_gives_the_same),
    ("I12", i12_a_case_keeps_the_policy_that_it_opened_with),
];

/// Subjects of the templates.
const INVITATION: &str = "Please confirm who you are";
const REMINDER: &str = "Reminder: please confirm who you are";

/// From `policy.yaml` of `silence`, and of `proofing` for forgers.
const REMIND_AFTER: [i32; 2] = [5, 10];
const ANSWER_WITHIN: i32 = 15;
const GRACE: [(&str, i32); 2] = [("proofing", 4), ("silence", 2)];

/// Reads the registrations and the events that the daemon acknowledged to the provider (200). The journal must have a
/// case for every person and a verdict on every event.
fn i1_no_case_is_lost(evidence: &Evidence) -> Vec<String> {
    let mut wrong = Vec::new();
    for life in &evidence.lives {
        let cases = evidence.stories.values().filter(|story| story.case.subject.id == life.user);
        let policies: Vec<_> = cases.map(|story| story.case.policy.as_str()).collect();
        if policies != [life.kind.policy()] {
            wrong.push(format!("{} has cases of {policies:?}", life.email));
        }
    }
    for heard in &evidence.heard {
        let there = evidence.received.iter().any(|event| {
            event.subject.id == heard.user
                && event.time.timestamp() == heard.at.timestamp()
                && (event.kind.as_str() == heard.kind
                    || event.also.iter().any(|kind| kind.as_str() == heard.kind))
        });
        if !there {
            wrong.push(format!("event {} was acknowledged and is not in the journal", heard.id));
        }
    }
    for event in &evidence.received {
        if !evidence.consumed.contains_key(&event.key) {
            wrong.push(format!("nothing is said of the event {}", event.key));
        }
    }
    wrong
}

/// Reads the last state of every case and the provider's changes to its person. The case must be closed with nothing
/// left to do, and have the result of this kind of person.
fn i2_every_case_has_ended_as_the_vendor_said(evidence: &Evidence) -> Vec<String> {
    let mut wrong = Vec::new();
    for life in &evidence.lives {
        let Some(story) = evidence.story_of(&life.user) else { continue };
        let (result, done) = match life.kind {
            Kind::Honest => ("approved", (true, false)),
            Kind::Forger => ("rejected", (false, true)),
            Kind::Silent => ("expired", (false, true)),
        };
        let did = |what| evidence.applied(PROVIDER, what).any(|one| one.subject == life.user);
        let case = &story.case;
        if !case.is_closed() || !case.calls.is_empty() || case.result.as_deref() != Some(result) {
            wrong.push(format!(
                "{}: {} with {} calls, {:?}",
                case.id,
                case.state_word(),
                case.calls.len(),
                case.result
            ));
        }
        if (did("user.approve"), did("user.delete")) != done {
            wrong.push(format!("{}: the provider did something else than {result}", case.id));
        }
    }
    wrong
}

/// Reads approvals and Jumio's results from the ledger. Each approval must follow a pass of a session that belongs to
/// the case.
fn i3_approved_only_with_a_pass_of_its_own_session(evidence: &Evidence) -> Vec<String> {
    let unproven = |approval: &&Record| {
        let Some(story) = evidence.story_of(&approval.subject) else { return true };
        !evidence.applied(System::Jumio, "result").any(|one| {
            call_of(&one.subject).is_some_and(|(case, _)| case == story.case.id.as_str())
                && one.detail["execution"].as_str().is_some_and(|id| story.case.sessions.contains_key(id))
                && one.detail["decision"] == "PASSED"
                && one.at <= approval.at
        })
    };
    let approvals = evidence.applied(PROVIDER, "user.approve");
    approvals
        .filter(unproven)
        .map(|one| format!("user {} was approved without a pass", one.subject))
        .collect()
}

/// Reads the provider's applied changes: at most one approval, one deletion and one invitation per person, and never
/// both an approval and a deletion.
fn i4_nothing_is_done_twice(evidence: &Evidence) -> Vec<String> {
    let mut did = BTreeMap::<(&str, &str), u32>::new();
    for what in ["user.approve", "user.delete", "user.invite"] {
        for record in evidence.applied(PROVIDER, what) {
            *did.entry((record.subject.as_str(), what)).or_default() += 1;
        }
    }
    let mut wrong: Vec<_> = did
        .iter()
        .filter(|(_, count)| **count > 1)
        .map(|(what, count)| format!("{what:?} {count} times"))
        .collect();
    for (user, what) in did.keys() {
        if *what == "user.approve" && did.contains_key(&(*user, "user.delete")) {
            wrong.push(format!("user {user} was approved and deleted"));
        }
    }
    wrong
}

/// Reads the provider's deletions: no deleted record was in the approved state.
fn i5_approved_people_are_not_deleted(evidence: &Evidence) -> Vec<String> {
    let deleted = evidence.applied(PROVIDER, "user.delete");
    let wrong = deleted.filter(|one| one.detail["state"] == 1);
    wrong.map(|one| format!("user {} was deleted though approved", one.subject)).collect()
}

/// Reads the received mails by their Message-ID, which names the call, and the journal entries of that call. Every
/// mail that counts as sent must have arrived. It has at most one copy, and one more for each attempt without a known
/// result. Every person has an invitation.
fn i6_a_mail_has_one_copy_and_one_more_for_each_attempt_in_doubt(evidence: &Evidence) -> Vec<String> {
    let mut copies = BTreeMap::<(String, u32), usize>::new();
    let mut wrong = Vec::new();
    for mail in evidence.applied(System::Mail, "mail") {
        match call_of(stem(mail)) {
            Some((case, number)) => *copies.entry((case.to_owned(), number)).or_default() += 1,
            None => wrong.push(format!("a mail of no call: {}", stem(mail))),
        }
    }
    for story in evidence.stories.values() {
        let asked = story.actions().into_iter().filter(|(_, action)| *action == "mail");
        for (number, _) in asked {
            let count = copies.remove(&(story.case.id.to_string(), number)).unwrap_or(0);
            let (mut done, mut doubt) = (0, 0);
            for entry in story.entries() {
                match &entry.note {
                    Note::CallDone { call, .. } if call.number == number => done += 1,
                    Note::AttemptLost { call, .. } | Note::AttemptFailed { call, .. }
                        if call.number == number =>
                    {
                        doubt += 1;
                    }
                    _ => {}
                }
            }
            if done > 1 || count < done || count > done + doubt {
                let call = story.case.call_id(number);
                wrong.push(format!("mail {call}: {count} copies, sent {done} times, in doubt {doubt} times"));
            }
        }
        let email = story.case.subject.text("email").unwrap_or_default();
        if !evidence.mails.iter().any(|mail| mail.to == email && mail.subject == INVITATION) {
            wrong.push(format!("{}: no invitation arrived", story.case.id));
        }
    }
    wrong.extend(copies.keys().map(|call| format!("a mail that nobody asked for: {call:?}")));
    wrong
}

/// Reads the people's sessions, Jumio's ledger and the journal. A person is sent only to a session that the journal
/// recorded before, and only to one for each start. No person reaches a lost session.
fn i7_one_session_is_delivered_for_a_start(evidence: &Evidence) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut sessions = BTreeMap::new();
    let mut references = BTreeSet::new();
    for start in ["create", "update"].into_iter().flat_map(|what| evidence.applied(System::Jumio, what)) {
        sessions.insert(start.detail["execution"].as_str().unwrap_or_default(), start.subject.as_str());
        if !references.insert(start.subject.as_str()) {
            wrong.push(format!("a reference was used twice: {}", start.subject));
        }
    }
    let mut delivered = BTreeMap::<(String, u32), BTreeSet<&str>>::new();
    for life in &evidence.lives {
        for (execution, at) in &life.delivered {
            let call = sessions.get(execution.as_str()).and_then(|reference| call_of(reference));
            let story = evidence.story_of(&life.user);
            let (Some((case, call)), Some(story)) = (call, story) else {
                wrong.push(format!("{} was sent to a session of nobody", life.email));
                continue;
            };
            let known = story.entries().any(|entry| {
                entry.at <= *at
                    && matches!(&entry.note, Note::SessionStarted { execution: known, .. } if known == execution)
            });
            if case != story.case.id.as_str() || !known {
                wrong.push(format!("{case} delivered a session that it did not know"));
            }
            delivered.entry((case.to_owned(), call)).or_default().insert(execution);
        }
    }
    let twice = delivered.iter().filter(|(_, sessions)| sessions.len() > 1);
    wrong.extend(twice.map(|(call, _)| format!("{call:?} delivered two sessions")));
    wrong
}

/// Reads the report of `store verify` about the chain and the state. For every change in a simulated system, the
/// journal must contain an attempt that began before.
fn i8_the_journal_holds_and_says_what_is_done_before_it_is_done(evidence: &Evidence) -> Vec<String> {
    let mut wrong = Vec::new();
    if evidence.verified["different"] != 0 || evidence.verified["torn_bytes"] != 0 {
        wrong.push(format!("the store differs: {}", evidence.verified));
    }
    for record in evidence.ledger.iter().filter(|one| one.applied) {
        let announced = match (record.system, record.what.as_str()) {
            (PROVIDER, "user.approve" | "user.forgive") => announced_for(evidence, record, &["approve"]),
            (PROVIDER, "user.invite") => announced_for(evidence, record, &["approve", "ensure_invited"]),
            (PROVIDER, "user.delete" | "user.log_out") => announced_for(evidence, record, &["delete"]),
            (PROVIDER, what) => !what.starts_with("user."),
            (System::Jumio, "create" | "update") => {
                let attempt = record.subject.rsplit('.').next().and_then(|text| text.parse().ok());
                announced(evidence, call_of(&record.subject), attempt, record.at)
            }
            (System::Mail, "mail") => announced(evidence, call_of(stem(record)), None, record.at),
            (System::Jumio | System::Mail | System::Office, _) => true,
        };
        if !announced {
            wrong.push(format!("{} of {} at {} was not announced", record.what, record.subject, record.at));
        }
    }
    wrong
}

fn announced_for(evidence: &Evidence, record: &Record, actions: &[&str]) -> bool {
    let Some(story) = evidence.story_of(&record.subject) else { return false };
    let calls = story.actions().into_iter().filter(|(_, action)| actions.contains(action));
    calls.into_iter().any(|(call, _)| story.attempts(call).any(|(_, began)| began <= record.at))
}

fn announced(evidence: &Evidence, call: Option<(&str, u32)>, attempt: Option<u32>, at: Timestamp) -> bool {
    let Some((case, number)) = call else { return false };
    let story = evidence.stories.values().find(|story| story.case.id.as_str() == case);
    story.is_some_and(|story| {
        story.attempts(number).any(|(one, began)| began <= at && attempt.is_none_or(|attempt| attempt == one))
    })
}

/// Searches logs and metrics for names and secrets of the campaign's people.
fn i9_no_secret_and_no_name_is_written_for_operators(evidence: &Evidence) -> Vec<String> {
    let canaries = ["Tester", "partner.test", "silent.test", "sim-callback", "t-admin", "/v/c"];
    let canaries = canaries.iter().chain(&evidence.secrets);
    let found = canaries.filter(|canary| evidence.written.contains(**canary));
    found.map(|canary| format!("logs or metrics contain {canary}")).collect()
}

/// Reads from the journal when each wake and each attempt was due and when it was handled. By the policies' numbers, it
/// also checks the times of reminders, of silence, and of the provider's deletions. Delays are only printed: they
/// depend on how long the daemon was down.
fn i10_no_timer_is_early(evidence: &Evidence) -> Vec<String> {
    let mut wrong = Vec::new();
    for (changed, due, at) in evidence.timers() {
        if due.is_none_or(|due| at < due) {
            wrong.push(format!("{}: something due at {due:?} was taken up at {at}", changed.case.id));
        }
    }
    for story in evidence.stories.values() {
        let id = &story.case.id;
        let grace = GRACE.iter().find(|(policy, _)| *policy == story.case.policy).map(|(_, units)| *units);
        for (until, at) in story.entries().filter_map(|entry| match entry.note {
            Note::GraceBegan { until } => Some((until, entry.at)),
            _ => None,
        }) {
            if until - at != evidence.unit * grace.unwrap_or_default() {
                wrong.push(format!("{id}: a grace period of {} s", (until - at).num_seconds()));
            }
            let mut deleted = evidence.applied(PROVIDER, "user.delete");
            if deleted.any(|one| one.subject == story.case.subject.id && one.at < until) {
                wrong.push(format!("{id}: deleted before its grace period was over"));
            }
        }
        if story.case.policy == Kind::Silent.policy() {
            wrong.extend(silence_is_kept(evidence, story));
        }
    }
    wrong
}

/// Checks silence: a step that an operator retried begins again with its full time.
fn silence_is_kept(evidence: &Evidence, story: &Story) -> Vec<String> {
    let verifies = |note: &Note| matches!(note, Note::StepBegan { verb } if verb == "verify");
    let began: Vec<_> = story.entries().filter(|entry| verifies(&entry.note)).map(|entry| entry.at).collect();
    let round = |at: Timestamp| began.iter().rposition(|began| *began <= at).expect("after the first round");
    let mut wrong = Vec::new();
    for entry in story.entries().filter(|entry| matches!(entry.note, Note::StepEnded { .. })) {
        if entry.at < began[round(entry.at)] + evidence.unit * ANSWER_WITHIN {
            wrong.push(format!("{}: silence ended at {}", story.case.id, entry.at));
        }
    }
    // The first copy of each; a skipped reminder makes the later ones later than necessary.
    let mut reminders = BTreeMap::<u32, Timestamp>::new();
    for mail in evidence.applied(System::Mail, "mail").filter(|one| one.detail["subject"] == REMINDER) {
        if let Some((_, call)) = call_of(stem(mail)).filter(|(case, _)| *case == story.case.id.as_str()) {
            reminders.entry(call).or_insert(mail.at);
        }
    }
    let mut sent = vec![0; began.len()];
    for (call, at) in reminders {
        let round = story.asked(call).map(round).expect("a reminder was asked for");
        let after = REMIND_AFTER.get(sent[round]).copied().unwrap_or(ANSWER_WITHIN);
        sent[round] += 1;
        if at < began[round] + evidence.unit * after {
            wrong.push(format!("{}: reminded at {at}, asked at {}", story.case.id, began[round]));
        }
    }
    wrong
}

/// Reads the result of `store verify` after it repeated every decision from the inputs in the journal.
fn i11_deciding_again_gives_the_same(evidence: &Evidence) -> Vec<String> {
    let decisions = &evidence.verified["decisions"];
    let all = evidence.changes().count();
    let right = decisions["decided"] == all && decisions["different"] == 0;
    if right { Vec::new() } else { vec![format!("of {all} decisions: {decisions}")] }
}

/// Reads the revision of every change, the files of revisions in the journal, and the mails. A case keeps the revision
/// of its opening, and the mail of a rejection has the text of that revision.
fn i12_a_case_keeps_the_policy_that_it_opened_with(evidence: &Evidence) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for story in evidence.stories.values() {
        let revision = &story.changes.first().expect("a case has an opening").1.case.revision;
        if story.changes.iter().any(|(_, changed)| changed.case.revision != *revision) {
            wrong.push(format!("{} changed its revision", story.case.id));
        }
        let Some(files) = evidence.revisions.get(revision) else {
            wrong.push(format!("{} follows a revision that was never stored", story.case.id));
            continue;
        };
        let email = story.case.subject.text("email").unwrap_or_default();
        let declined = evidence.mails.iter().filter(|mail| mail.to == email && mail.text.contains("Edition"));
        for mail in declined {
            let edition = if mail.text.contains("Edition one.") { "Edition one." } else { "Edition two." };
            used.insert(edition);
            if !files.contains(edition) {
                wrong.push(format!("{} sent {edition} of another revision", story.case.id));
            }
        }
    }
    if used.len() != 2 {
        wrong.push(format!("the edit was to fall between cases, but only {used:?} went out"));
    }
    wrong
}

/// The case and the number in a call's id; vendors receive it with or without the attempt at its end.
fn call_of(text: &str) -> Option<(&str, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?, parts.next()?.parse().ok()?))
}

/// A mail's Message-ID up to the domain, which identifies the call.
fn stem(mail: &Record) -> &str {
    let id = mail.detail["message_id"].as_str().unwrap_or_default();
    id.trim_start_matches('<').split('@').next().unwrap_or_default()
}
