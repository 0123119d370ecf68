//! proofd: identity proofing as policy files.
//!
//! A self-registration, a risky login, a role change, a date or a CloudEvent opens a **case**: one subject that
//! goes through one policy. The policy's steps ask the person for proof at a verification provider, ask people
//! to decide, and change the identity provider. Policies are YAML and Rhai in a directory; they are reloaded
//! while the daemon runs.
//!
//! # The idea
//!
//! 1. What decides is a plain function over plain data: [`case::advance`]. It touches no clock, disk,
//!    network or random number; effects are data that it returns.
//! 2. Everything that can happen to a case is one closed enum: [`case::Input`].
//! 3. Write first, act second, answer last: one commit holds the case, its journal and its calls; only then
//!    a call is performed or an answer given.
//! 4. A timer is a field of a case, and so is every retry and deadline: nothing sleeps with a case in hand.
//! 5. A bad policy file leaves what runs untouched.
//!
//! # The rooms
//!
//! Arrows go down only; `tests/house.rs` holds the table.
//!
//! | room | what | may use |
//! |---|---|---|
//! | `cli` | the command line; composes the rooms for `run` and `demo` | all |
//! | `http` | hooks, the person's link, the API | model, api, engine, rollout, config |
//! | `engine` | tokio, clocks, loops: cases and their calls | model, api, policy, case, trial, store, connectors, config, rollout |
//! | `rollout` | which policies run: the tree, back-tests, releases, revisions | model, api, policy, case, trial, store |
//! | `store` | the journal (the truth) and sled (the state that is read) | model, case, policy |
//! | `connectors` | the registry of providers, a directory for each; mail, SCIM, HTTP endpoints, CloudEvents in and out | model, config |
//! | `simulate` | an identity provider, a verification provider, a mailbox and an office (HR, tickets), for demo and tests; shares nothing with `connectors` | model |
//! | `config` | `proofd.yaml` | model, yaml |
//! | `api` | requests and answers of the HTTP API, which `http` and `cli` share | model |
//! | `trial` | a made-up world with a turned clock, in which policies are tested and the recorded past is walked again | model, policy, case |
//! | `case` | the state machine | model, policy |
//! | `policy` | YAML, Rhai, templates: from files to a checked policy | model, yaml |
//! | `yaml` | the reader of what people edit: places, limits, mistakes | nothing |
//! | `model` | plain data: events, subjects, calls, outcomes | nothing |
//!
//! # One registration, from event to approval
//!
//! | what | where |
//! |---|---|
//! | the identity provider's webhook or the poller brings an event; it is on disk before the answer | `http/hooks`, `engine/poller`, `engine/inbox` |
//! | the person is looked up; policies of this event type are asked | `engine/intake`, `policy/script` |
//! | a case opens at its first step and asks for a mail | `case/advance`, `case/walk` |
//! | one commit: case, journal entries, calls, wake time | `store/committer` |
//! | the mail goes out; the attempt was on disk before | `engine/outbox`, `connectors/smtp` |
//! | the person presses the button; a vendor session starts, is written down, and only then redirected to | `http/person`, `case/proving`, `connectors` |
//! | a hint or a poll: the result is read back and matched with our own reference | `engine/portal`, `case/judge` |
//! | the outcome's branch: approve reads, writes, reads back | `case/walk`, `connectors` |
//!
//! # Words
//!
//! *event*: a fact that happened elsewhere. *policy*, *revision*: a folder, and the hash of all that it uses.
//! *case*: one subject going through one policy. *step*: one line of a policy. *call*: one request for an
//! effect, with an id that stays the same over its attempts. *outcome*: how a step or a call ended.
//! *decision*: a person's. *over limit*: stopped by a limit. *stuck*: failed for good, with an owner. *in grace*: an
//! adverse effect that waits for its time and can be undone.

pub mod api;
pub mod case;
pub mod cli;
pub mod config;
pub mod connectors;
pub mod engine;
pub mod http;
pub mod model;
pub mod policy;
pub mod rollout;
pub mod simulate;
pub mod store;
pub mod trial;
pub mod yaml;
