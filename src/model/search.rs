//! Search terms of a person, by which lists find cases. Independent of case and accents.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::Subject;

/// Maximum of words of a name that a search can begin with.
const WORDS: usize = 6;
/// Maximum of characters of a term.
const LENGTH: usize = 96;

/// Returns a text for comparison: without case, accents and repeated spaces.
pub fn folded(text: &str) -> String {
    let plain: String = text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ").chars().take(LENGTH).collect()
}

/// Returns the folded terms of a person: the name from each of its words on (`ann lee` and `lee ann`), the mail
/// address, the user name, and the ids of the record and of its account. A search finds a term by its beginning.
pub fn terms(subject: &Subject) -> BTreeSet<String> {
    let mut terms: BTreeSet<String> = [Some(subject.id.as_str()), subject.text("user_id")]
        .into_iter()
        .chain(["email", "username"].map(|field| subject.text(field)))
        .flatten()
        .map(folded)
        .collect();
    let names: Vec<_> = ["first_name", "last_name"].iter().filter_map(|field| subject.text(field)).collect();
    let name = folded(&names.join(" "));
    let words: Vec<&str> = name.split(' ').collect();
    for first in 0..words.len().min(WORDS) {
        let (before, from) = words.split_at(first);
        terms.insert([from, before].concat().join(" "));
    }
    terms.remove("");
    terms
}

/// Returns the folded mail address of a person, which connects records of several identity providers.
pub fn mailbox(subject: &Subject) -> Option<String> {
    subject.text("email").map(folded).filter(|mail| mail.contains('@'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{folded, terms};
    use crate::model::{Subject, SubjectKind};

    #[test]
    fn terms_are_folded_and_begin_at_each_word_of_the_name() {
        for (fields, expected) in [
            (json!({}), &["17"][..]),
            (
                json!({"first_name": "Zoë", "last_name": "van  Dyk"}),
                &["17", "dyk zoe van", "van dyk zoe", "zoe van dyk"],
            ),
            (
                json!({"first_name": null, "last_name": "Lee", "email": "A.Lee@Example.org", "username": "ALEE", "user_id": "9"}),
                &["17", "9", "a.lee@example.org", "alee", "lee"],
            ),
        ] {
            let fields = fields.as_object().cloned().unwrap_or_default();
            let subject =
                Subject { source: "hr".to_owned(), kind: SubjectKind::User, id: "17".to_owned(), fields };
            assert_eq!(terms(&subject).into_iter().collect::<Vec<_>>(), expected);
        }
        assert_eq!(folded(" MÜLLER\tŁukasz "), "muller łukasz");
        assert_eq!(folded(&"x".repeat(500)).len(), 96);
    }
}
