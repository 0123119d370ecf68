//! Plain data that every room speaks: no files, no clock, no network, no policy.

pub mod clock;

pub use clock::Clock;

/// A moment. Always UTC; wall time exists only where a zone is named beside it.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
