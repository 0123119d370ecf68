//! The order of keys on disk. A case and its entries are neighbours there, so that a commit of a case changes one block.
//! All other keys keep their order. Pure.

use crate::store::keys::Kind;

const CASE: u8 = Kind::Case as u8;
const ENTRY: u8 = Kind::Entry as u8;

/// The least key of a block. The kind of every key but the progress is greater.
pub(super) const LEAST: [u8; 1] = [1];

/// Returns where a key, or a prefix of keys, is stored.
pub(super) fn place(key: &[u8]) -> Vec<u8> {
    place_owned(key.to_vec())
}

pub(super) fn place_owned(mut key: Vec<u8>) -> Vec<u8> {
    if let Some(kind) = key.first_mut()
        && *kind == ENTRY
    {
        *kind = CASE;
    }
    key
}

/// Returns the key that is stored at a place.
pub(in crate::store) fn key(place: &[u8]) -> Vec<u8> {
    let mut key = place.to_vec();
    if let Some(kind) = key.first_mut()
        && *kind == CASE
        && !is_case(place)
    {
        *kind = ENTRY;
    }
    key
}

/// Returns the range of places of cases and entries.
pub(super) fn cases() -> std::ops::Range<Vec<u8>> {
    vec![CASE]..vec![CASE + 1]
}

/// Returns whether a place holds a case: nothing follows the text of its id.
pub(super) fn is_case(place: &[u8]) -> bool {
    let Some((&CASE, mut rest)) = place.split_first() else { return false };
    while let Some(at) = rest.iter().position(|byte| *byte == 0) {
        match rest.get(at + 1..) {
            None | Some([]) => return true,
            // An escaped zero byte.
            Some([0xFF, more @ ..]) => rest = more,
            Some(_) => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{is_case, key, place};
    use crate::model::CaseId;
    use crate::store::keys;

    #[test]
    fn a_case_is_followed_by_its_entries_and_every_key_reads_back() {
        let ids = ["a", "a\0", "a\0b", "ab", "b"].map(|id| CaseId(id.to_owned()));
        let mut places = Vec::new();
        for id in &ids {
            for (logical, case) in
                [(keys::case(id), true), (keys::entry(id, 0), false), (keys::entry(id, u64::MAX >> 8), false)]
            {
                assert_eq!(is_case(&place(&logical)), case, "{id}");
                assert_eq!(key(&place(&logical)), logical, "{id}");
                places.push(place(&logical));
            }
        }
        let mut sorted = places.clone();
        sorted.sort();
        // The order of ids is the order of their texts.
        assert!(places.chunks(3).all(|own| sorted.windows(3).any(|window| window == own)));
        for other in [keys::cursor("c"), keys::meta(), keys::seen("e"), vec![]] {
            assert_eq!((place(&other), is_case(&other)), (other.clone(), false));
        }
    }
}
