//! Closed cases whose data is kept for a time.

use crate::model::{CaseId, Forgotten, Timestamp};
use crate::store::Error;
use crate::store::handle::Store;
use crate::store::keys::{Key, Kind, time_at};
use crate::store::values::Closed;

/// A closed case whose data is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptCase {
    pub case: CaseId,
    pub policy: String,
    pub closed_at: Timestamp,
    /// What was removed already.
    pub redacted: Option<Forgotten>,
}

impl Store {
    /// Visits the closed cases that still have data, the earliest close first, up to a time.
    pub fn kept_cases(&self, until: Timestamp, visit: &mut dyn FnMut(KeptCase) -> bool) -> Result<(), Error> {
        let prefix = Key::new(Kind::Kept).end();
        self.state().walk(&prefix, &prefix, &mut |key, closed: Closed| {
            let Some(closed_at) = time_at(key, 1).filter(|at| *at <= until) else { return false };
            let Closed { case, policy, redacted } = closed;
            visit(KeptCase { case, policy, closed_at, redacted })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, time_at};
    use crate::model::Timestamp;
    use crate::store::keys;

    #[test]
    fn the_index_is_ordered_by_the_close() {
        let of = |seconds: i64| keys::kept(Timestamp::from_timestamp(seconds, 0).unwrap()).text("c").end();
        assert!(of(1) < of(2) && of(-1) < of(0));
        assert_eq!(of(7).first(), Some(&(Kind::Kept as u8)));
        assert_eq!(time_at(&of(7), 1), Timestamp::from_timestamp(7, 0));
    }
}
