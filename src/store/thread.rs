//! Threads of the store, by name.

use std::io;
use std::thread::{Builder, JoinHandle};

use super::Error;

/// Starts a named thread of the store.
pub(super) fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|cause: io::Error| Error::io("starting a thread of the store")(cause))
}
