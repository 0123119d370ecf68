//! Reads of changes requested with an idempotency key.

use crate::store::Error;
use crate::store::commit::Keyed;
use crate::store::handle::Store;
use crate::store::keys::{self, Key, Kind};

impl Store {
    /// Returns the request of a key.
    pub fn keyed(&self, key: &str) -> Result<Option<Keyed>, Error> {
        self.state().value(&keys::keyed(key))
    }

    /// Returns the number of remembered requests, up to a bound.
    pub fn keyed_count(&self, most: usize) -> Result<usize, Error> {
        let prefix = Key::new(Kind::Request).end();
        let mut count = 0;
        self.state().walk(&prefix, &prefix, &mut |_, _: Keyed| {
            count += 1;
            count < most
        })?;
        Ok(count)
    }
}
