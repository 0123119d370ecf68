//! Connectors and simulators over HTTP and SMTP on loopback, and tests with programs that are not part of this
//! project.
//!
//! | file | what |
//! |---|---|
//! | `cloudevents` | CloudEvents over HTTP, mode by mode |
//! | `jumio` | the Jumio connector against a scripted server |
//! | `keycloak` | the pure parts of the Keycloak connector, with recorded answers |
//! | `mailbox` | the simulated mailbox |
//! | `onelogin` | the OneLogin connector against a simulated and a scripted tenant |
//! | `onelogin_sdk` | OneLogin's own SDK against the simulated tenant |
//! | `openid` | OpenID providers that verify people, against npm oidc-provider |
//! | `perform` | performs a call at one connector, as the daemon does |
//! | `python_peers` | a SCIM server and the CloudEvents SDK, in Python |
//! | `sim_jumio` | the simulated Jumio |
//! | `sim_onelogin` | the simulated OneLogin |
//! | `smtp` | the SMTP connector against a scripted server |
//! | `target` | target systems, endpoints and sinks |
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

mod cloudevents;
mod jumio;
mod keycloak;
mod mailbox;
mod onelogin;
mod onelogin_sdk;
mod openid;
#[path = "../world/openid.rs"]
mod openid_vendor;
mod perform;
#[path = "../world/python.rs"]
mod python;
mod python_peers;
mod sim_jumio;
mod sim_onelogin;
mod smtp;
mod target;
