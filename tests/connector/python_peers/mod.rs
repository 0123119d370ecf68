//! Python programs that are not part of this project: a SCIM server, the CloudEvents SDK, and the library of
//! Standard Webhooks.
mod events;
mod scim;

use std::path::PathBuf;

use crate::python::run;

const PACKAGES: [&str; 3] = ["scim2-server==0.8.3", "cloudevents==2.2.0", "standardwebhooks==1.1.0"];
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/connector/python_peers/peers.py");

fn python() -> Option<PathBuf> {
    crate::python::python("python-peers", &PACKAGES)
}
