//! proofd: identity proofing as policy files.
//!
//! A self-registration, a risky login, a role change, a date or a CloudEvent opens a **case**: one subject going
//! through one policy. The policy's steps request proof from a verification provider, request decisions from reviewers,
//! and change the identity provider. Policies are YAML and Rhai in a directory; the daemon reloads them while it runs.
//!
//! # Principles
//!
//! 1. A pure function over plain data decides: [`case::advance`]. It uses no clock, disk, network or random number; it
//!    returns effects as data.
//! 2. One closed enum lists everything that can happen to a case: [`case::Input`].
//! 3. Write, then act, then answer: one commit holds the case, its journal and its calls. A call or an answer follows
//!    only after that commit.
//! 4. Timers, retries and deadlines are fields of a case; no task sleeps while it holds a case.
//! 5. An invalid policy file does not affect active revisions.
//!
//! # The rooms
//!
//! Dependencies point down only; `tests/house.rs` holds the table.
//!
//! | room | what | may use |
//! |---|---|---|
//! | `cli` | the command line; composes the rooms for `run` and `demo` | all |
//! | `console` | pages for people who decide cases and own policies, over the handlers of the API | model, api, engine, rollout, config, http |
//! | `http` | hooks, the person's link, the API | model, api, engine, rollout, config |
//! | `engine` | tokio, clocks, loops: cases and their calls | model, api, policy, case, trial, store, connectors, config, rollout |
//! | `rollout` | which policies run: the tree, back-tests, releases, revisions | model, api, policy, case, trial, store |
//! | `store` | the journal (source of truth) and sled (derived state for reads) | model, case, policy |
//! | `connectors` | the registry of providers, a directory for each; mail, SCIM, HTTP endpoints, CloudEvents in and out | model, config |
//! | `simulate` | an identity provider, a verification provider, a mailbox and an office (HR, tickets), for demo and tests; shares nothing with `connectors` | model |
//! | `config` | `proofd.yaml` | model, yaml |
//! | `api` | requests and answers of the HTTP API, which `http` and `cli` share | model |
//! | `trial` | a simulated environment and clock for policy tests and back-tests of recorded events | model, policy, case |
//! | `case` | the state machine | model, policy |
//! | `policy` | YAML, Rhai, templates: from files to a checked policy | model, yaml |
//! | `yaml` | the YAML reader for edited files: positions, limits, diagnoses | nothing |
//! | `model` | plain data: events, subjects, calls, outcomes | nothing |
//!
//! # One registration, from event to approval
//!
//! | what | where |
//! |---|---|
//! | the identity provider's webhook or the poller delivers an event; it is on disk before the answer | `http/hooks`, `engine/poller`, `engine/inbox` |
//! | the person is looked up; policies with this event type are evaluated | `engine/intake`, `policy/script` |
//! | a case opens at its first step and requests a mail | `case/advance`, `case/walk` |
//! | one commit: case, journal entries, calls, wake time | `store/committer` |
//! | the mail goes out; the attempt was on disk before | `engine/outbox`, `connectors/smtp` |
//! | the person presses the button; a vendor session starts and is stored before the redirect | `http/person`, `case/verifying`, `connectors` |
//! | a hint or a poll: the result is read back and matched with the case's own reference | `engine/portal`, `case/judge` |
//! | the outcome's branch: approve reads, writes, reads back | `case/walk`, `connectors` |
//!
//! # Terms
//!
//! *event*: a fact from another system. *policy*, *revision*: a folder, and the hash of everything that it uses.
//! *case*: one subject going through one policy. *step*: one line of a policy. *call*: one request for an effect, with
//! an id that is the same for all attempts. *outcome*: how a step or a call ended. *decision*: a reviewer's answer.
//! *over limit*: stopped by a limit. *stuck*: failed for good, with an owner. *in grace*: an adverse effect that is
//! delayed and can be undone.

pub mod api;
pub mod case;
pub mod cli;
pub mod config;
pub mod connectors;
pub mod console;
pub mod engine;
pub mod http;
pub mod model;
pub mod policy;
pub mod rollout;
pub mod simulate;
pub mod store;
pub mod trial;
pub mod yaml;
