//! The details of an execution. This module must not know HTTP.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::callback::time;
use super::execution::{Execution, Outcome, Script, Status};
use super::knobs::{Expired, Knobs, Wiped};
use super::labels;

const NOT_FULFILLED: (&str, &str) = ("NOT_EXECUTED", "PRECONDITION_NOT_FULFILLED");

pub(super) struct Decision {
    pub kind: &'static str,
    label: String,
    score: f64,
}

/// The overall decision at the end of an execution.
pub(super) fn decision(one: &Execution, expired: Expired) -> Decision {
    let script = match (one.status, &one.result) {
        (Status::Processed, Some(script)) => script,
        _ if expired.is_old() => {
            return Decision { kind: "REJECTED", label: "REJECTED".into(), score: 100.0 };
        }
        _ => {
            let label = one.status.name().to_owned();
            return Decision { kind: "NOT_EXECUTED", label, score: -1.0 };
        }
    };
    let (kind, score) = match (script.outcome, compared(one)) {
        (Outcome::PassWithout | Outcome::PassEmpty, _) => ("PASSED", 0.0),
        (Outcome::Reject | Outcome::FaceMismatch | Outcome::PoorImage, _)
        | (Outcome::Pass | Outcome::Warn, Compared::Other) => ("REJECTED", 100.0),
        (Outcome::Pass | Outcome::Warn, Compared::WithNothing) => {
            return Decision { kind: "NOT_EXECUTED", label: "TECHNICAL_ERROR".into(), score: -1.0 };
        }
        (Outcome::Pass | Outcome::Warn, Compared::Same) if one.faces.too_many => ("REJECTED", 100.0),
        (Outcome::Warn, Compared::Same) => ("WARNING", 40.0),
        (Outcome::Pass, Compared::Same) if !one.faces.found.is_empty() => ("WARNING", 40.0),
        (Outcome::Pass, Compared::Same) => ("PASSED", 0.0),
    };
    Decision {
        kind,
        label: script.decision_label.clone().unwrap_or_else(|| kind.to_owned()),
        score: script.score.unwrap_or(score),
    }
}

/// The result of comparing the shown face with the wanted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compared {
    Same,
    Other,
    /// The face that was on file at the start has been deleted.
    WithNothing,
}

fn compared(one: &Execution) -> Compared {
    if !(one.plan.runs("similarity") || one.plan.authenticates()) || one.faces.match_each_other() {
        return Compared::Same;
    }
    if one.faces.wanted.is_some() { Compared::Other } else { Compared::WithNothing }
}

/// Type and label of every capability; the document's usability is under `usability`.
fn verdicts(one: &Execution) -> BTreeMap<&'static str, (&'static str, String)> {
    let mut verdicts: BTreeMap<_, _> = one
        .plan
        .capabilities
        .iter()
        .map(|name| (*name, ("PASSED", if *name == "similarity" { "MATCH" } else { "OK" }.to_owned())))
        .collect();
    let Some(script) = one.result.as_ref().filter(|_| one.status == Status::Processed) else {
        verdicts.values_mut().for_each(|verdict| *verdict = (NOT_FULFILLED.0, NOT_FULFILLED.1.into()));
        if let Some(usability) = verdicts.get_mut("usability") {
            *usability = ("NOT_EXECUTED", "NOT_UPLOADED".into());
        }
        return verdicts;
    };
    for (capability, kind, label) in complaints(one, script) {
        if let Some(verdict) = verdicts.get_mut(capability.as_str()) {
            *verdict = (kind, label);
        }
    }
    chain(&mut verdicts, about_document(one, script));
    verdicts
}

/// Capability, type and label of every check that did not pass.
fn complaints(one: &Execution, script: &Script) -> Vec<(String, &'static str, String)> {
    let authenticates = one.plan.authenticates();
    let pair = |kind: &'static str, text: &str| {
        let (capability, label) = labels::place(text);
        (capability.to_owned(), kind, label.to_owned())
    };
    let mut all = Vec::new();
    if !one.faces.found.is_empty() {
        all.push(pair("WARNING", "imageChecks:REPEATED_FACE"));
    }
    if one.faces.too_many {
        all.push(pair("REJECTED", "dataChecks:MISMATCHING_DATA_REPEATED_FACE"));
    }
    let other_face = if authenticates { "authentication:FAILED" } else { "similarity:NO_MATCH" };
    let (kind, fallback) = match script.outcome {
        Outcome::PassWithout | Outcome::PassEmpty => return all,
        Outcome::Pass => ("PASSED", None),
        Outcome::FaceMismatch => ("REJECTED", Some(other_face)),
        Outcome::PoorImage => ("REJECTED", Some("usability:BAD_QUALITY")),
        Outcome::Warn if authenticates => ("WARNING", Some("authentication:FAILED")),
        Outcome::Reject if authenticates => ("REJECTED", Some("authentication:FAILED")),
        Outcome::Warn => ("WARNING", Some("similarity:NOT_POSSIBLE")),
        Outcome::Reject => ("REJECTED", Some("imageChecks:MANIPULATED_DOCUMENT")),
    };
    let mut scripted: Vec<_> = script.labels.iter().map(|label| pair(kind, label)).collect();
    match script.outcome {
        Outcome::FaceMismatch | Outcome::Pass => scripted.clear(),
        // The steps give the reason of a failed authentication; the details report only an unusable picture.
        Outcome::Warn | Outcome::Reject if authenticates => scripted.retain(|(name, ..)| name == "usability"),
        Outcome::PoorImage => scripted.iter_mut().for_each(|(name, ..)| "usability".clone_into(name)),
        Outcome::Warn | Outcome::Reject | Outcome::PassWithout | Outcome::PassEmpty => {}
    }
    if scripted.is_empty() {
        scripted.extend(fallback.map(|text| pair(kind, text)));
    }
    all.append(&mut scripted);
    match compared(one) {
        Compared::Same => {}
        Compared::Other => all.push(pair("REJECTED", other_face)),
        Compared::WithNothing => {
            let name = if authenticates { "authentication" } else { "similarity" };
            all.push((name.to_owned(), NOT_FULFILLED.0, NOT_FULFILLED.1.to_owned()));
        }
    }
    all
}

/// Whether the usability verdict is about a shown document; otherwise it is about the face.
fn about_document(one: &Execution, script: &Script) -> bool {
    script.outcome != Outcome::PoorImage && one.credential("ID").is_some_and(|id| !id.existing)
}

/// Marks the checks that are not executed because an earlier one did not pass.
fn chain(verdicts: &mut BTreeMap<&'static str, (&'static str, String)>, document: bool) {
    let kind = |verdicts: &BTreeMap<&'static str, (&'static str, String)>, name: &str| {
        verdicts.get(name).map_or("PASSED", |verdict| verdict.0)
    };
    let usability = kind(verdicts, "usability");
    let mut stop: Vec<&str> = Vec::new();
    if usability != "PASSED" && document {
        stop.extend(["imageChecks", "extraction", "dataChecks", "watchlistScreening"]);
    }
    if usability == "REJECTED" {
        stop.push("similarity");
    }
    if usability == "REJECTED" && !document {
        stop.extend(["liveness", "authentication"]);
    }
    if kind(verdicts, "imageChecks") == "REJECTED" {
        stop.extend(["extraction", "dataChecks", "watchlistScreening"]);
    }
    for name in stop {
        if let Some(verdict) = verdicts.get_mut(name) {
            *verdict = (NOT_FULFILLED.0, NOT_FULFILLED.1.into());
        }
    }
}

/// Whether the document of an execution is reusable.
pub(super) fn id_usable(one: &Execution) -> bool {
    let Some(script) = one.result.as_ref().filter(|_| one.status == Status::Processed) else { return false };
    one.credential("ID").is_some()
        && (!about_document(one, script)
            || verdicts(one).get("usability").is_some_and(|verdict| verdict.0 == "PASSED"))
}

/// Whether the face of an execution passed liveness and can be authenticated later.
pub(super) fn face_enrolled(one: &Execution) -> bool {
    let Some(script) = &one.result else { return false };
    let verdicts = verdicts(one);
    let passed = |name: &str| verdicts.get(name).is_some_and(|verdict| verdict.0 == "PASSED");
    ["liveness", "authentication"].iter().any(|name| passed(name) && !left_out(script, name))
}

fn left_out(script: &Script, capability: &str) -> bool {
    match script.outcome {
        Outcome::PassWithout if script.missing.is_empty() => capability == "liveness",
        Outcome::PassWithout => script.missing.iter().any(|name| name == capability),
        Outcome::PassEmpty => true,
        Outcome::Pass | Outcome::Warn | Outcome::Reject | Outcome::FaceMismatch | Outcome::PoorImage => false,
    }
}

/// A stable id for a part of a result, derived from the execution's.
fn id(one: &Execution, number: usize) -> String {
    let start = one.execution.len().saturating_sub(4);
    format!("{}{number:04x}", &one.execution[..start])
}

/// The credentials that a capability checks.
fn looks_at(capability: &str) -> &'static [&'static str] {
    match capability {
        "similarity" | "imageChecks" => &["SELFIE", "ID"],
        "liveness" => &["SELFIE", "FACEMAP"],
        "authentication" => &["FACEMAP"],
        _ => &["ID"],
    }
}

fn capabilities(one: &Execution, base: &str) -> Value {
    let mut out = Map::new();
    let empty = Script::default();
    let script = one.result.as_ref().unwrap_or(&empty);
    let verdicts = verdicts(one);
    let mut number = 1;
    for name in one.plan.capabilities.iter().filter(|name| !left_out(script, name)) {
        let Some((kind, label)) = verdicts.get(name) else { continue };
        let mut entries = Vec::new();
        if *name == "usability" {
            for credential in &one.credentials {
                let meant = (credential.category == "ID") == about_document(one, script);
                let own =
                    if meant || *kind == "NOT_EXECUTED" { (*kind, label.as_str()) } else { ("PASSED", "OK") };
                entries.push(entry(one, &mut number, own, &[credential.category]));
            }
        } else {
            let mut entry = entry(one, &mut number, (kind, label), looks_at(name));
            attach(one, name, kind, label, base, &mut entry);
            entries.push(entry);
        }
        out.insert((*name).to_owned(), Value::Array(entries));
    }
    Value::Object(out)
}

fn entry(one: &Execution, number: &mut usize, verdict: (&str, &str), categories: &[&str]) -> Value {
    let credentials: Vec<Value> = categories
        .iter()
        .filter_map(|category| one.credential(category))
        .map(|credential| json!({"id": credential.id, "category": credential.category}))
        .collect();
    *number += 1;
    json!({
        "id": id(one, *number),
        "credentials": credentials,
        "decision": {"type": verdict.0, "details": {"label": verdict.1}},
    })
}

/// Adds the data of a capability to its decision.
fn attach(one: &Execution, name: &str, kind: &str, label: &str, base: &str, entry: &mut Value) {
    let ran = kind != "NOT_EXECUTED";
    if ran
        && kind == "PASSED"
        && matches!(name, "liveness" | "authentication")
        && let Some(facemap) = one.credential("FACEMAP")
    {
        let accounts = format!("{base}/retrieval/api/v1/accounts/{}", one.account);
        entry["validFaceMapForAuthentication"] =
            json!(format!("{accounts}/credentials/{}/parts/FACEMAP", facemap.id));
    }
    let data = match name {
        "extraction" if ran => extraction(one),
        "extraction" => json!({}),
        "similarity" if ran => json!({"similarity": label}),
        "similarity" => json!({}),
        "liveness" if ran => {
            json!({"type": "JUMIO_STANDARD", "predictedAge": 35, "ageConfidenceRange": "24-46"})
        }
        "authentication" if ran => json!({"type": "JUMIO_STANDARD"}),
        "imageChecks" if !one.faces.found.is_empty() => {
            json!({"faceSearchFindings": {"status": "DONE", "findings": one.faces.found}})
        }
        "watchlistScreening" if ran => json!({"searchStatus": "SUCCESS"}),
        _ => return,
    };
    entry["data"] = data;
}

/// The document number, derived from the account: each account has its own document. A script's
/// `documentNumber` under `extraction` replaces it.
fn number(one: &Execution) -> String {
    let hash = Sha256::digest(one.account.as_bytes());
    let number = hash.iter().take(4).fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
    format!("X{:07}", number % 10_000_000)
}

fn extraction(one: &Execution) -> Value {
    let mut data = json!({
        "type": "ID_CARD", "subType": "NATIONAL_ID", "issuingCountry": "AUT",
        "firstName": "ALEX", "lastName": "EXAMPLE", "dateOfBirth": "1990-01-01",
        "expiryDate": "2035-01-01", "documentNumber": number(one), "currentAge": "36",
    });
    let Some(fields) = data.as_object_mut() else { return data };
    for (name, value) in one.result.iter().flat_map(|script| &script.extraction) {
        match value {
            Value::Null => drop(fields.shift_remove(name)),
            value => drop(fields.insert(name.clone(), value.clone())),
        }
    }
    let birth = fields.get("dateOfBirth").and_then(Value::as_str).unwrap_or_default();
    let parts: Vec<String> = birth.split('-').map(str::to_owned).collect();
    if let [year, month, day] = parts.as_slice() {
        fields.insert("dateOfBirthParts".into(), json!({"year": year, "month": month, "day": day}));
    }
    data
}

/// The complete answer to a read of the details.
pub(super) fn details(one: &Execution, base: &str, knobs: &Knobs) -> Value {
    let (expired, wiped) = (knobs.expired, one.wiped_out_at.filter(|_| knobs.wiped != Wiped::Silently));
    let hidden = one.status.is_final() && expired.details_show_processed();
    let status = if hidden { Status::Processed } else { one.status };
    let mut workflow = json!({
        "id": one.execution, "status": status.name(), "definitionKey": one.order.key.to_string(),
    });
    if let Some(reference) = &one.order.user_reference {
        workflow["userReference"] = json!(reference);
    }
    workflow["customerInternalReference"] = json!(one.order.customer_internal_reference);
    let mut out = json!({
        "workflow": workflow, "account": {"id": one.account}, "createdAt": time(one.created_at),
    });
    let hidden = one.result.as_ref().is_none_or(|script| script.without_started_at);
    if let (Some(at), false) = (one.started_at, hidden) {
        out["startedAt"] = json!(time(at));
    }
    if let Some(at) = one.completed_at {
        out["completedAt"] = json!(time(at));
    }
    if let Some(at) = wiped {
        out["wipedOutAt"] = json!(time(at));
    }
    let accounts = format!("{base}/retrieval/api/v1/accounts/{}", one.account);
    out["credentials"] = one.credentials.iter().map(|credential| parts(one, credential, &accounts)).collect();
    let closed = one.status.is_final();
    let undecided = one.wiped_out_at.is_some() && knobs.wiped == Wiped::Undecided;
    if closed && one.plan.kyx && !undecided {
        let decision = decision(one, expired);
        out["decision"] = json!({
            "type": decision.kind, "details": {"label": decision.label}, "risk": {"score": decision.score},
        });
        out["steps"] = json!({"href": format!("{accounts}/workflow-executions/{}/steps", one.execution)});
    }
    let complete = closed && one.wiped_out_at.is_none();
    out["capabilities"] = if complete { capabilities(one, base) } else { json!({}) };
    out
}

fn parts(one: &Execution, credential: &super::execution::Credential, accounts: &str) -> Value {
    let mut out = json!({"id": credential.id, "category": credential.category});
    if credential.captured && one.wiped_out_at.is_none() {
        let list: Vec<Value> = classifiers(credential.category)
            .iter()
            .map(|classifier| match *classifier {
                // The vendor must permit its download, which is not the default.
                "FACEMAP" => json!({"classifier": "FACEMAP"}),
                other => {
                    let href = format!("{accounts}/credentials/{}/parts/{other}", credential.id);
                    json!({"classifier": other, "href": href})
                }
            })
            .collect();
        out["parts"] = json!(list);
    }
    out
}

pub(super) fn classifiers(category: &str) -> &'static [&'static str] {
    match category {
        "ID" => &["FRONT", "BACK"],
        "SELFIE" => &["FACE"],
        "FACEMAP" => &["FACEMAP", "LIVENESS_1"],
        "DOCUMENT" => &["DOCUMENT"],
        _ => &["PREPARED_DATA"],
    }
}

/// The answer to a read of the steps; only the steps give the reason of a failed authentication.
pub(super) fn steps(one: &Execution, expired: Expired) -> Value {
    let decision = decision(one, expired);
    let name = if one.plan.authenticates() { "AUTHENTICATION" } else { "ID_IV" };
    let reasons: Vec<Value> = match (&one.result, decision.kind) {
        (Some(script), "REJECTED" | "WARNING") if one.plan.authenticates() => {
            let fallback = ["FACE_INVALID_DIGITAL_COPY".to_owned()];
            let labels = if script.labels.is_empty() { &fallback[..] } else { &script.labels };
            let labels = labels.iter().map(|label| labels::place(label).1);
            labels.map(|label| json!({"label": label, "type": decision.kind})).collect()
        }
        _ => Vec::new(),
    };
    let shown = capabilities(one, "");
    let capabilities: Vec<Value> = shown
        .as_object()
        .into_iter()
        .flatten()
        .flat_map(|(category, entries)| {
            entries.as_array().into_iter().flatten().map(move |entry| (category, &entry["id"]))
        })
        .map(|(category, id)| json!({"id": id, "category": category}))
        .collect();
    let ids: Vec<&Value> = capabilities.iter().map(|capability| &capability["id"]).collect();
    json!({"steps": [{
        "id": id(one, 1), "name": name,
        "decision": {"type": decision.kind, "details": {"label": decision.label}, "reasons": reasons},
        "capabilities": capabilities, "capabilityIds": ids,
    }]})
}
