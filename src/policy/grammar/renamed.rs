//! Former words of the policy language. Each is read as its present word and reported as a warning. Knows words only;
//! the tables define where a word is allowed.

use crate::policy::diagnostic::{Diagnostic, Place};

/// Former words with the words that replaced them.
const RENAMED: &[(&str, &str)] =
    &[("hold", "ask"), ("held", "over_limit"), ("take", "claim"), ("give_back", "release_claim")];

/// Returns the present form of a word.
pub fn current(word: &str) -> &str {
    RENAMED.iter().find(|(former, _)| *former == word).map_or(word, |(_, now)| *now)
}

/// Returns the warning about a former word where one of `words` is expected.
pub fn former(place: &Place, what: &str, word: &str, words: &[&str]) -> Option<Diagnostic> {
    let now = current(word);
    let replaced = now != word && words.contains(&now) && !words.contains(&word);
    let message = format!("{what}: `{word}` is a former word");
    replaced
        .then(|| Diagnostic::warning(place.clone(), "former-word", message).help(format!("write `{now}`")))
}
