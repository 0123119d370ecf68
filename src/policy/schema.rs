//! The fields of events and subjects, in one table that scripts, mails and the published schema share. Holds names and
//! types, and no values.

use serde_json::{Value, json};

use crate::model::{EventType, SubjectKind, Vocabulary};

/// The type of a field that is not empty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FieldType {
    Text,
    Number,
    Bool,
    Time,
    Date,
    List,
    /// Open map: any key may be present.
    Map,
    /// Closed map: exactly these keys.
    Record(&'static [Field]),
    /// Any value that the source sends.
    Any,
}

/// One field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field {
    pub name: &'static str,
    pub kind: FieldType,
    pub doc: &'static str,
}

/// One event type of the published schema.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EventSchema {
    pub name: &'static str,
    pub doc: &'static str,
    /// Fields beyond those that every event has.
    pub fields: &'static [Field],
}

const fn field(name: &'static str, kind: FieldType, doc: &'static str) -> Field {
    Field { name, kind, doc }
}

use FieldType::{Any, Bool, Date, List, Map, Number, Record, Text, Time};

/// Fields of a person that can be compared with a document.
pub const COMPARED: [&str; 3] = ["first_name", "last_name", "date_of_birth"];

/// Fields of every event.
pub const EVENT: &[Field] = &[
    field("id", Text, "key that identifies the event"),
    field("type", Text, "the normalized type"),
    field("source", Text, "source: the name of an identity provider, or the address of a program"),
    field("time", Time, "time of the event"),
    field("subject_id", Text, "id of the person"),
    field("actor", Text, "who caused it, if the source knows"),
    field("ip", Text, "IP address of the actor"),
    field("data", Map, "the source's own fields"),
];

const LOGIN: &[Field] = &[
    field("score", Number, "the risk score, 0 to 100"),
    field("reasons", List, "why the sign-in is risky"),
    field("reason_text", Text, "the reasons as the source wrote them"),
    field("new_device", Bool, "true if a reason contains it"),
];
const ROLE: &[Field] = &[field("role", Text, "the role's name")];
const ATTRIBUTE: &[Field] = &[
    field("attribute", Text, "the attribute's name"),
    field("old", Any, "value before"),
    field("new_value", Any, "value now"),
];

const fn event(name: &'static str, doc: &'static str, fields: &'static [Field]) -> EventSchema {
    EventSchema { name, doc, fields }
}

const EVENTS: &[EventSchema] = &[
    event("registration.created", "a self-registration form was submitted", &[]),
    event("registration.withdrawn", "the registration was withdrawn", &[]),
    event("registration.deleted", "the registration was deleted", &[]),
    event("login.succeeded", "a successful sign-in", LOGIN),
    event("login.failed", "a failed sign-in", LOGIN),
    event("login.risk", "a sign-in with a risk score", LOGIN),
    event("user.created", "an account was created", &[]),
    event("user.activated", "an account was activated", &[]),
    event("user.suspended", "an account was suspended", &[]),
    event("user.locked", "an account was locked", &[]),
    event("user.deactivated", "an account was deactivated", &[]),
    event("user.deleted", "an account was deleted", &[]),
    event("user.role_granted", "a role was assigned", ROLE),
    event("user.role_revoked", "a role was removed", ROLE),
    event("user.attribute_changed", "an attribute changed", ATTRIBUTE),
    event("mfa.enrolled", "a second factor was added", &[]),
    event("mfa.removed", "a second factor was removed", &[]),
    event("credential.changed", "a password or key was changed", &[]),
    event("session.revoked", "a session ended", &[]),
    event("verification.passed", "a person passed a verification of this daemon", &[]),
];

/// Fields of `registration`.
pub const REGISTRATION: &[Field] = &[
    field("id", Text, "the registration's id"),
    field("user_id", Text, "the id of its account"),
    field("profile", Text, "the self-registration profile's name"),
    field("profile_id", Text, "the self-registration profile's id"),
    field("email", Text, "mail address"),
    field("email_domain", Text, "the part after the @, lower case"),
    field("first_name", Text, "given names"),
    field("last_name", Text, "family name"),
    field("state", Text, "not_verified, not_reviewed, approved or rejected"),
    field("created_at", Time, "when the form was submitted"),
    field("locale", Text, "the person's language (BCP 47)"),
    field("attributes", Map, "custom fields by short name"),
];

const MANAGER: &[Field] = &[
    field("id", Text, "the manager's user id"),
    field("email", Text, "the manager's mail address"),
    field("name", Text, "the manager's name"),
];

/// Fields of `user`.
pub const USER: &[Field] = &[
    field("id", Text, "the account's id"),
    field("username", Text, "sign-in name"),
    field("email", Text, "mail address"),
    field("email_domain", Text, "the part after the @, lower case"),
    field("first_name", Text, "given names"),
    field("last_name", Text, "family name"),
    field("status", Text, "active, suspended, locked, ..."),
    field("state", Text, "unapproved, approved, rejected or unlicensed"),
    field("roles", List, "names of roles"),
    field("groups", List, "names of groups"),
    field("manager", Record(MANAGER), "the person's manager"),
    field("department", Text, "department"),
    field("title", Text, "job title"),
    field("created_at", Time, "when the account was created"),
    field("last_login_at", Time, "the last sign-in"),
    field("verified_at", Time, "the last pass of a verification"),
    field("exempt_until", Time, "exempt from verification until this time"),
    field("service_account", Bool, "true for accounts of programs"),
    field("locale", Text, "the person's language (BCP 47)"),
    field("attributes", Map, "custom fields by short name"),
];

/// Fields of `applicant`.
pub const APPLICANT: &[Field] = &[
    field("id", Text, "the applicant's id at the source"),
    field("email", Text, "mail address"),
    field("first_name", Text, "given names"),
    field("last_name", Text, "family name"),
    field("locale", Text, "the person's language (BCP 47)"),
    field("attributes", Map, "other data of the source"),
];

/// Fields of `this_case`.
pub const THIS_CASE: &[Field] = &[
    field("id", Text, "the case's id"),
    field("policy", Text, "the policy's name"),
    field("revision", Text, "the revision that the case keeps"),
    field("opened_at", Time, "time of opening"),
    field("attempts", Number, "verification sessions started so far"),
];

const DOCUMENT: &[Field] = &[
    field("type", Text, "kind of document"),
    field("country", Text, "ISO 3166-1 alpha-3"),
    field("first_name", Text, "given names as read"),
    field("last_name", Text, "family name as read"),
    field("date_of_birth", Date, "date of birth"),
    field("expires_on", Date, "date of expiry"),
];

/// Fields of `steps.<id>` for a `verify`.
pub const VERIFY: &[Field] = &[
    field("outcome", Text, "passed, warning, rejected, no_response or unavailable"),
    field("reasons", List, "the provider's labels"),
    field("score", Number, "the provider's score"),
    field("checks", Map, "capability to judgement"),
    field("document", Record(DOCUMENT), "what was read from the document"),
    field("mismatches", List, "registered fields that differ from the document"),
    field("completed_at", Time, "when the provider finished"),
];

/// Fields of `steps.<id>` for a `review`.
pub const REVIEW: &[Field] = &[
    field("decision", Text, "one of the declared decisions, or overdue"),
    field("reason", Text, "reason of the reviewer"),
    field("by", Text, "name of the reviewer"),
    field("at", Time, "when"),
];

/// Fields of `steps.<id>` for a `call`.
pub const CALL: &[Field] =
    &[field("status", Number, "HTTP status"), field("body", Any, "the answer's JSON body")];

/// Fields of `steps.<id>` for any other step that branches.
pub const OTHER: &[Field] = &[field("outcome", Text, "outcome of the step")];

/// Words for a user's status; the identity provider uses numbers.
pub const USER_STATUS: &[&str] = &[
    "unactivated",
    "active",
    "suspended",
    "locked",
    "password_expired",
    "awaiting_password_reset",
    "password_pending",
    "security_questions_required",
];
const USER_STATE: &[&str] = &["unapproved", "approved", "rejected", "unlicensed"];
const REGISTRATION_STATE: &[&str] = &["not_verified", "not_reviewed", "approved", "rejected"];

/// Returns the possible words of a field, if the list is closed.
pub fn words(path: &str) -> Option<&'static [&'static str]> {
    match path {
        "user.status" => Some(USER_STATUS),
        "user.state" => Some(USER_STATE),
        "registration.state" => Some(REGISTRATION_STATE),
        _ => None,
    }
}

/// Returns the minimum and the maximum of a number, if known.
pub fn range(path: &str) -> Option<(f64, f64)> {
    (path == "event.score").then_some((0.0, 100.0))
}

/// Returns every event type with a name of its own.
pub fn event_types() -> &'static [EventSchema] {
    EVENTS
}

/// Returns the names of every event type with a name of its own.
pub fn event_names() -> impl Iterator<Item = &'static str> + Clone {
    EVENTS.iter().map(|event| event.name)
}

/// Reports whether policies may name this event type: one with a name of its own, `custom.<type>` or
/// `<provider>.<id>`.
pub fn is_event_type(name: &str, words: &Vocabulary) -> bool {
    let custom = name.strip_prefix("custom.").is_some_and(|rest| !rest.is_empty());
    custom || words.is_native_event(name) || event_names().any(|event| event == name)
}

/// Returns the fields of an event type, those of every event first.
pub fn fields_of_event(kind: &EventType) -> Vec<Field> {
    let special = EVENTS.iter().find(|event| event.name == kind.as_str()).map_or(&[][..], |e| e.fields);
    EVENT.iter().chain(special).copied().collect()
}

/// Returns the fields of all event types together. Scripts can read each of them; a field that does not apply is empty.
pub fn fields_of_any_event() -> Vec<Field> {
    EVENT.iter().chain(LOGIN).chain(ROLE).chain(ATTRIBUTE).copied().collect()
}

/// Returns the fields of a subject.
pub fn fields_of_subject(kind: SubjectKind) -> &'static [Field] {
    match kind {
        SubjectKind::Registration => REGISTRATION,
        SubjectKind::User => USER,
        SubjectKind::Applicant => APPLICANT,
    }
}

/// Returns the published schema of events and subjects.
pub fn json_schema() -> Value {
    let events: serde_json::Map<_, _> = EVENTS
        .iter()
        .map(|event| {
            let fields = fields_of_event(&EventType::new(event.name));
            (event.name.to_owned(), record(&fields, Some(event.doc)))
        })
        .collect();
    let subjects: serde_json::Map<_, _> = SubjectKind::ALL
        .iter()
        .map(|kind| (kind.word().to_owned(), record(fields_of_subject(*kind), None)))
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Events and subjects of proofd policies",
        "$defs": {
            "events": events,
            "subjects": subjects,
            "steps": {"verify": record(VERIFY, None), "review": record(REVIEW, None), "call": record(CALL, None)},
            "this_case": record(THIS_CASE, None),
        },
    })
}

fn record(fields: &[Field], doc: Option<&str>) -> Value {
    let properties: serde_json::Map<_, _> =
        fields.iter().map(|field| (field.name.to_owned(), property(field))).collect();
    let required: Vec<_> = fields.iter().map(|field| field.name).collect();
    let mut schema = json!({"type": "object", "properties": properties, "required": required});
    if let (Some(doc), Some(schema)) = (doc, schema.as_object_mut()) {
        schema.insert("description".to_owned(), doc.into());
    }
    schema
}

fn property(field: &Field) -> Value {
    let mut schema = match field.kind {
        Text => json!({"type": ["string", "null"]}),
        Number => json!({"type": ["number", "null"]}),
        Bool => json!({"type": ["boolean", "null"]}),
        Time => json!({"type": ["string", "null"], "format": "date-time"}),
        Date => json!({"type": ["string", "null"], "format": "date"}),
        List => json!({"type": ["array", "null"]}),
        Map => json!({"type": ["object", "null"]}),
        Record(fields) => json!({"anyOf": [{"type": "null"}, record(fields, None)]}),
        Any => json!({}),
    };
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), field.doc.into());
    }
    schema
}
