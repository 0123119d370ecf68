//! Shapes of people, their events, and verification providers' data about them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::table::{choice, record, words, wrapped};
use crate::model::{
    Actor, CaseId, Document, DocumentUse, Enrolment, Event, EventType, Fields, Judgement, Method, Origin,
    Pass, Pause, Phase, Proof, Reading, Returned, Session, Subject, SubjectKind, SubjectRef, Timestamp, Void,
};

wrapped!(CaseId(String), EventType(String));

record! { "subject": Subject {
    "source" => source: String,
    "type" => kind: SubjectKind,
    "id" => id: String,
    "fields" => fields: Fields,
} }

record! { "subject_ref": SubjectRef {
    "source" => source: String,
    "type" => kind: SubjectKind,
    "id" => id: String,
} }

words! { "subject_kind": SubjectKind {
    "registration" => Registration,
    "user" => User,
    "applicant" => Applicant,
} }

record! { "actor": Actor {
    "name" => name: String,
    "person" => person: Option<String>,
    "known_as" => known_as: BTreeSet<String>,
    "teams" => teams: BTreeSet<String>,
} }

record! { "event": Event {
    "key" => key: String,
    "near" => near: Vec<String>,
    "leaves" => leaves: Vec<String>,
    "type" => kind: EventType,
    "also" => also: Vec<EventType>,
    "source" => source: String,
    "time" => time: Timestamp,
    "subject" => subject: SubjectRef,
    "actor" => actor: Option<String>,
    "actor_id" => actor_id: Option<String>,
    "by_subject" => by_subject: bool,
    "origin" => origin: Origin,
    "ip" => ip: Option<String>,
    "fields" => fields: Fields,
} }

words! { "origin": Origin {
    "ours" => Ours,
    "others" => Others,
    "unknown" => Unknown,
} }

record! { "session": Session {
    "account" => account: String,
    "execution" => execution: String,
    "link" => link: String,
    "expires_at" => expires_at: Timestamp,
    "reference" => reference: String,
    "returns_by" => returns_by: Option<Timestamp>,
} }

choice! { "returned": Returned {
    "code" => Code { "code" => code: String, "issuer" => issuer: Option<String> },
    "error" => Error { "error" => error: String, "issuer" => issuer: Option<String> },
} }

words! { "void": Void {
    "malformed" => Malformed,
    "algorithm" => Algorithm,
    "key" => Key,
    "signature" => Signature,
    "issuer" => Issuer,
    "audience" => Audience,
    "time" => Time,
    "nonce" => Nonce,
    "code" => Code,
    "provider" => Provider,
} }

record! { "reading": Reading {
    "account" => account: String,
    "execution" => execution: String,
    "reference" => reference: Option<String>,
    "phase" => phase: Phase,
    "proof" => proof: Option<Box<Proof>>,
    "void" => void: Option<Void>,
} }

words! { "phase": Phase {
    "waiting" => Waiting,
    "capturing" => Capturing,
    "processing" => Processing,
    "done" => Done,
    "expired" => Expired,
    "unclear" => Unclear,
} }

record! { "proof": Proof {
    "decision" => decision: Judgement,
    "score" => score: Option<f64>,
    "reasons" => reasons: Vec<String>,
    "checks" => checks: BTreeMap<String, Judgement>,
    "document" => document: Option<Document>,
    "fingerprints" => fingerprints: Vec<String>,
    "same_face" => same_face: Vec<String>,
    "completed_at" => completed_at: Option<Timestamp>,
} never { numbers } }

words! { "judgement": Judgement {
    "passed" => Passed,
    "warning" => Warning,
    "rejected" => Rejected,
    "not_executed" => NotExecuted,
    "unknown" => Unknown,
} }

words! { "method": Method {
    "full" => Full,
    "authentication" => Authentication,
    "existing_id" => ExistingId,
} }

record! { "document": Document {
    "type" => kind: Option<String>,
    "country" => country: Option<String>,
    "first_name" => first_name: Option<String>,
    "last_name" => last_name: Option<String>,
    "date_of_birth" => date_of_birth: Option<NaiveDate>,
    "expires_on" => expires_on: Option<NaiveDate>,
} }

record! { "document_use": DocumentUse {
    "document" => document: String,
    "person" => person: Vec<String>,
    "case" => case: String,
    "at" => at: Timestamp,
} }

record! { "enrolment": Enrolment {
    "account" => account: String,
    "enrolled_at" => enrolled_at: Option<Timestamp>,
    "runs" => runs: Vec<String>,
    "passes" => passes: Vec<Pass>,
    "starts" => starts: Vec<Timestamp>,
} }

record! { "pass": Pass {
    "at" => at: Timestamp,
    "case" => case: String,
    "verification" => verification: String,
    "method" => method: Method,
    "checks" => checks: Vec<String>,
    "compared" => compared: BTreeMap<String, String>,
} }

record! { "pause": Pause {
    "who" => who: String,
    "from" => from: Timestamp,
    "until" => until: Option<Timestamp>,
} }
