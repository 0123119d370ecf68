//! Converts records of earlier versions to this one as JSON. Independent of the program's types, whose changes thus do
//! not affect old versions. A new version adds a conversion from its predecessor; older records pass through all of
//! them.

use serde_json::{Map, Value};

use crate::store::keys::{self, Kind};

/// The oldest readable version.
pub(super) const OLDEST: u32 = 2;

/// Converts a record of version 2. That version wrote variant names as sibling members, flattened entries and
/// decisions, and included empty members. `None`: not such a record.
pub(super) fn from_2(line: &[u8]) -> Option<Vec<u8>> {
    let mut record: Value = serde_json::from_slice(line).ok()?;
    let members = record.as_object_mut()?;
    if let Some(commit) = members.get_mut("commit") {
        each(commit.as_object_mut()?, "cases", changed)?;
        each(commit.as_object_mut()?, "consumed", |consumed| {
            each(consumed.as_object_mut()?, "verdicts", verdict)
        })?;
        each(commit.as_object_mut()?, "asked", asked)?;
    }
    if let Some(loss) = members.get_mut("loss") {
        accepted_loss(loss)?;
    }
    if let Some(salvage) = members.get_mut("salvage") {
        let salvage = salvage.as_object_mut()?;
        accepted_loss(salvage.get_mut("loss")?)?;
        each(salvage, "cases", changed)?;
        for (key, payload) in salvage.get_mut("restored")?.as_object_mut()? {
            restored(key, payload)?;
        }
    }
    serde_json::to_vec(&record).ok()
}

type Step = fn(&mut Value) -> Option<()>;

/// Converts every item of a list; a missing list is empty.
fn each(of: &mut Map<String, Value>, list: &str, bring: impl Fn(&mut Value) -> Option<()>) -> Option<()> {
    match of.get_mut(list) {
        Some(list) => list.as_array_mut()?.iter_mut().try_for_each(bring),
        None => Some(()),
    }
}

/// Converts a member that is present and not null.
fn there(of: &mut Map<String, Value>, member: &str, bring: Step) -> Option<()> {
    of.get_mut(member).filter(|value| !value.is_null()).map_or(Some(()), bring)
}

/// Turns `{"tag": "word", ...}` into `{"word": {...}}`, or the word alone.
fn untag(value: &mut Value, tag: &str) -> Option<()> {
    let members = value.as_object_mut()?;
    let Some(Value::String(word)) = members.remove(tag) else { return None };
    let rest = std::mem::take(members);
    *value = if rest.is_empty() { Value::String(word) } else { Map::from_iter([(word, rest.into())]).into() };
    Some(())
}

/// Returns the value of an object's only member, if it has this name.
fn variant<'a>(value: &'a mut Value, word: &str) -> Option<&'a mut Map<String, Value>> {
    value.as_object_mut()?.get_mut(word)?.as_object_mut()
}

/// Moves members into an object of their own.
fn nest(value: &mut Value, into: &str, members: &[(&str, &str)]) -> Option<()> {
    let of = value.as_object_mut()?;
    let nested: Map<String, Value> = members
        .iter()
        .filter_map(|(before, after)| Some(((*after).to_owned(), of.remove(*before)?)))
        .collect();
    of.insert(into.to_owned(), nested.into());
    Some(())
}

fn actor(value: &mut Value) -> Option<()> {
    nest(value, "by", &[("by", "name"), ("person", "person"), ("known_as", "known_as"), ("teams", "teams")])
}

fn accepted_loss(value: &mut Value) -> Option<()> {
    let members = ["what", "from", "to", "since", "head"].map(|member| (member, member));
    nest(value, "loss", &members)
}

fn changed(value: &mut Value) -> Option<()> {
    let changed = value.as_object_mut()?;
    case(changed.get_mut("case")?)?;
    each(changed, "entries", entry)?;
    there(changed, "recorded", recorded)
}

fn case(value: &mut Value) -> Option<()> {
    let case = value.as_object_mut()?;
    state(case.get_mut("state")?)?;
    there(case, "doomed", has_action)?;
    case.get_mut("calls")?.as_object_mut()?.values_mut().try_for_each(has_action)
}

fn has_action(value: &mut Value) -> Option<()> {
    untag(value.get_mut("action")?, "do")
}

fn state(value: &mut Value) -> Option<()> {
    untag(value, "state")?;
    if let Some(reviewing) = variant(value, "reviewing") {
        each(reviewing, "given", actor)?;
        there(reviewing, "assignee", actor)?;
    }
    if let Some(stuck) = variant(value, "stuck") {
        each(stuck, "parked", |parked| has_action(parked.get_mut(1)?))?;
        there(stuck, "interrupted", state)?;
    }
    if let Some(grace) = variant(value, "grace") {
        untag(grace.get_mut("action")?, "do")?;
    }
    Some(())
}

fn entry(value: &mut Value) -> Option<()> {
    let mut note = std::mem::take(value.as_object_mut()?);
    let mut entry = Map::new();
    for member in ["number", "at", "step"] {
        entry.extend(note.remove_entry(member));
    }
    let mut note = Value::from(note);
    untag(&mut note, "what")?;
    for (word, member) in [
        ("decided", "decision"),
        ("late_decision", "decision"),
        ("decision_refused", "refused"),
        ("ordered", "operator"),
    ] {
        if let Some(of) = variant(&mut note, word) {
            actor(of.get_mut(member)?)?;
        }
    }
    entry.insert("note".to_owned(), note);
    *value = entry.into();
    Some(())
}

fn recorded(value: &mut Value) -> Option<()> {
    // A wake is a plain word without members.
    let Some(input) = value.get_mut("cause")?.get_mut("input") else { return Some(()) };
    for word in ["decision", "refused_decision", "operator"] {
        if let Some(by) = input.get_mut(word) {
            actor(by)?;
        }
    }
    if let Some(done) = variant(input, "outcome").and_then(|of| of.get_mut("outcome")?.get_mut("done")) {
        untag(done, "done")?;
    }
    Some(())
}

fn verdict(value: &mut Value) -> Option<()> {
    there(value.as_object_mut()?, "would_open", recorded)
}

fn asked(value: &mut Value) -> Option<()> {
    verdict(value.get_mut("said")?)
}

/// Converts a value of the state in a salvage record, by its key.
fn restored(key: &str, payload: &mut Value) -> Option<()> {
    let bring: Step = match keys::from_hex(key)?.first()? {
        kind if *kind == Kind::Case as u8 => case,
        kind if *kind == Kind::Entry as u8 => entry,
        kind if *kind == keys::Retired::Asked as u8 => asked,
        kind if *kind == Kind::Loss as u8 => accepted_loss,
        _ => return Some(()),
    };
    let Some(text) = payload.as_str() else { return Some(()) };
    let mut value = serde_json::from_str(text).ok()?;
    bring(&mut value)?;
    *payload = value.to_string().into();
    Some(())
}
