//! Derived ids of a case and of a person at a vendor. Equal facts give equal ids, without counters or random numbers.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::input::OpenedBy;
use crate::model::{CaseId, SubjectRef};

/// Returns a case's id. A repeated opening gives the same id: a crash between two writes or a redelivered event creates
/// no second case.
pub fn case_id(policy: &str, key: &str, by: &OpenedBy) -> CaseId {
    let nominal_text;
    let parts: Vec<&str> = match by {
        OpenedBy::Event(event) => vec!["event", &event.key],
        OpenedBy::Hand { by, nonce, .. } => vec!["hand", by, nonce],
        OpenedBy::Sweep { schedule, nominal } => {
            nominal_text = nominal.to_rfc3339();
            vec!["sweep", schedule, &nominal_text]
        }
    };
    let hash = digest([policy, key].into_iter().chain(parts));
    CaseId(format!("c{}", hash.get(..20).unwrap_or(&hash)))
}

/// Returns a person's id at a vendor: stable, without personal data.
pub fn person(subject: &SubjectRef) -> String {
    let hash = digest(["person", subject.kind.word(), &subject.person()]);
    format!("p{}", hash.get(..24).unwrap_or(&hash))
}

/// Returns a number derived from a text, for spreading without randomness.
pub fn spread(text: &str, attempt: u32) -> u32 {
    let digest = Sha256::digest(format!("{text}#{attempt}").as_bytes());
    digest.iter().take(4).fold(0, |number, byte| (number << 8) | u32::from(*byte))
}

/// Returns a hexadecimal hash over parts with their lengths, which makes lists of parts unambiguous.
fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    HEXLOWER.encode(&hash.finalize())
}
