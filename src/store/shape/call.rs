//! Shapes of calls, their results, and the pending effects of a case.

use std::collections::BTreeMap;

use serde_json::Value;

use super::table::{choice, record, words};
use crate::model::{
    AccountChange, Action, Address, CallId, CaseId, Done, EffectKind, Failure, FailureKind, Fields,
    HttpRequest, IdentityAction, IdentityChange, Message, Method, Outcome, ProvisioningAction, ReadSession,
    Reading, Repeat, Returned, RoleChange, Session, SessionAction, Snapshot, StartSession, Subject,
    SubjectRef, Timestamp,
};
use crate::policy::effect::Request;
use crate::policy::tree::{Effect, Notify, Recipient, Resolved};

type EndpointRequest = Request<String, Value>;

words! { "effect_kind": EffectKind {
    "delete" => Delete,
    "reject" => Reject,
    "suspend" => Suspend,
    "remove_role" => RemoveRole,
    "hold_role" => HoldRole,
    "end_sessions" => EndSessions,
    "remove_factors" => RemoveFactors,
    "set" => Set,
    "assign_role" => AssignRole,
    "release_role" => ReleaseRole,
    "reinstate" => Reinstate,
    "approve" => Approve,
    "invite" => Invite,
    "create_user" => CreateUser,
    "update_user" => UpdateUser,
    "call" => Call,
    "emit" => Emit,
    "verify" => Verify,
    "notify" => Notify,
} }

record! { "call_id": CallId {
    "case" => case: CaseId,
    "number" => number: u32,
} }

record! { "snapshot": Snapshot {
    "subject" => subject: SubjectRef,
    "user_id" => user_id: Option<String>,
    "profile_id" => profile_id: Option<String>,
    "email" => email: Option<String>,
    "created_at" => created_at: Option<Timestamp>,
    "compared" => compared: BTreeMap<String, Option<String>>,
} }

choice! { "action": Action {
    "mail" => Mail { "message" => message: Message },
    "start_verification" => StartVerification as [Self::Verification { provider, session: SessionAction::Start(StartSession {
        workflow, method, account, reference, person, lifetime_seconds, locale, callback_url, return_url, require,
        registered
    }) }] {
        "provider" => provider: String,
        "workflow" => workflow: String,
        "method" => method: Method,
        "account" => account: Option<String>,
        "reference" => reference: String,
        "person" => person: String,
        "lifetime_seconds" => lifetime_seconds: i64,
        "locale" => locale: Option<String>,
        "callback_url" => callback_url: Option<String>,
        "return_url" => return_url: Option<String>,
        "require" => require: Vec<String>,
        "registered" => registered: BTreeMap<String, String>,
    },
    "read_verification" => ReadVerification as [Self::Verification { provider, session: SessionAction::Read(ReadSession {
        account, execution, reference, returns_by, returned
    }) }] {
        "provider" => provider: String,
        "account" => account: String,
        "execution" => execution: String,
        "reference" => reference: String,
        "returns_by" => returns_by: Option<Timestamp>,
        "returned" => returned: Option<Returned>,
    },
    "approve" => Approve as [Self::Identity(IdentityAction::Change { snapshot, change: IdentityChange::Approve })] { "snapshot" => snapshot: Snapshot },
    "ensure_invited" => EnsureInvited as [Self::Identity(IdentityAction::Change { snapshot, change: IdentityChange::EnsureInvited { since } })] { "snapshot" => snapshot: Snapshot, "since" => since: Timestamp },
    "reject" => Reject as [Self::Identity(IdentityAction::Change { snapshot, change: IdentityChange::Reject })] { "snapshot" => snapshot: Snapshot },
    "delete" => Delete as [Self::Identity(IdentityAction::Change { snapshot, change: IdentityChange::Delete })] { "snapshot" => snapshot: Snapshot },
    "read_subject" => ReadSubject as [Self::Identity(IdentityAction::Read { subject })] { "subject" => subject: SubjectRef },
    "suspend" => Suspend as [Self::Identity(IdentityAction::Change { snapshot, change: IdentityChange::Suspend { end_sessions } })] { "snapshot" => snapshot: Snapshot, "end_sessions" => end_sessions: bool },
    "reinstate" => Reinstate as [Self::Identity(IdentityAction::Change { snapshot, change: IdentityChange::Reinstate { to } })] { "snapshot" => snapshot: Snapshot, "to" => to: Option<String> },
    "change_account" => ChangeAccount as [Self::Identity(IdentityAction::Change { snapshot, change: IdentityChange::Account(change) })] { "snapshot" => snapshot: Snapshot, "change" => change: AccountChange },
    "assign_role" => AssignRole as [Self::Identity(IdentityAction::Change { snapshot, change: IdentityChange::AssignRole { role } })] { "snapshot" => snapshot: Snapshot, "role" => role: String },
    "remove_role" => RemoveRole as [Self::Identity(IdentityAction::Change { snapshot, change: IdentityChange::RemoveRole { role } })] { "snapshot" => snapshot: Snapshot, "role" => role: String },
    "set_attributes" => SetAttributes as [Self::Identity(IdentityAction::Change { snapshot, change: IdentityChange::SetAttributes { attributes } })] {
        "snapshot" => snapshot: Snapshot,
        "attributes" => attributes: Fields,
    },
    "create_user" => CreateUser as [Self::Provisioning { system, account: ProvisioningAction::Create { external_id, attributes } }] {
        "system" => system: String,
        "external_id" => external_id: String,
        "attributes" => attributes: Fields,
    },
    "update_user" => UpdateUser as [Self::Provisioning { system, account: ProvisioningAction::Update { matching, attributes } }] {
        "system" => system: String,
        "matching" => matching: Fields,
        "attributes" => attributes: Fields,
    },
    "request" => Request as [Self::Request { endpoint, request: HttpRequest { method, path, body, repeat } }] {
        "endpoint" => endpoint: String,
        "method" => method: String,
        "path" => path: String,
        "body" => body: Option<Value>,
        "repeat" => repeat: Repeat,
    },
    "emit" => Emit { "sink" => sink: String, "event" => event: Value },
} }

words! { "repeat": Repeat {
    "key" => Key,
    "natural" => Natural,
    "none" => None,
} }

choice! { "outcome": Outcome {
    "done" => Done(it: Done),
    "failed" => Failed(it: Failure),
} }

choice! { "done": Done {
    "sent" => Sent,
    "started" => Started { "session" => session: Session },
    "read" => Read { "reading" => reading: Reading },
    "approved" => Approved { "already" => already: bool, "invited_at" => invited_at: Option<Timestamp> },
    "invited" => Invited { "already" => already: bool },
    "rejected" => Rejected { "already" => already: bool },
    "deleted" => Deleted { "already" => already: bool },
    "seen" => Seen { "subject" => subject: Option<Box<Subject>> },
    "applied" => Applied { "already" => already: bool, "before" => before: Option<String> },
    "kept" => Kept,
    "created" => Created { "id" => id: Option<String>, "already" => already: bool },
    "answered" => Answered { "status" => status: u16, "body" => body: Value },
    "emitted" => Emitted,
} }

record! { "failure": Failure {
    "kind" => kind: FailureKind,
    "reason" => reason: String,
    "retry_after_seconds" => retry_after_seconds: Option<u32>,
    "outage" => outage: bool,
    "written" => written: bool,
} }

words! { "failure_kind": FailureKind {
    "unavailable" => Unavailable,
    "refused" => Refused,
    "changed" => Changed,
    "not_enrolled" => NotEnrolled,
} }

record! { "message": Message {
    "to" => to: Address,
    "subject" => subject: String,
    "text" => text: String,
    "html" => html: String,
    "template" => template: String,
    "language" => language: String,
} }

record! { "address": Address {
    "name" => name: Option<String>,
    "email" => email: String,
} }

words! { "account_change": AccountChange {
    "end_sessions" => EndSessions,
    "remove_factors" => RemoveFactors,
} }

words! { "role_change": RoleChange {
    "hold" => Hold,
    "release" => Release,
    "assign" => Assign,
    "remove" => Remove,
} }

choice! { "effect": Effect<Resolved> {
    "notify" => Notify(it: Notify),
    "suspend" => Suspend { "end_sessions" => end_sessions: bool },
    "reinstate" => Reinstate,
    "account" => Account(it: AccountChange),
    "role" => Role { "change" => change: RoleChange, "role" => role: String },
    "set" => Set(it: Fields),
    "invite" => Invite,
    "create_user" => CreateUser { "system" => system: String, "attributes" => attributes: Fields },
    "update_user" => UpdateUser {
        "system" => system: String,
        "matching" => matching: Fields,
        "attributes" => attributes: Fields,
    },
    "call" => Call(it: EndpointRequest),
    "emit" => Emit { "kind" => kind: String, "data" => data: Fields },
} }

record! { "request": EndpointRequest {
    "endpoint" => endpoint: String,
    "method" => method: String,
    "path" => path: Option<String>,
    "body" => body: Option<Value>,
    "repeat" => repeat: Repeat,
    "returns" => returns: Vec<String>,
} }

record! { "notify": Notify {
    "to" => to: Vec<Recipient>,
    "template" => template: String,
    "urgent" => urgent: bool,
    "by_call" => by_call: bool,
} }

choice! { "recipient": Recipient {
    "subject" => Subject,
    "manager" => Manager,
    "team" => Team(it: String),
} }
