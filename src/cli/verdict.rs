//! Differences of effects, worst first, and what they amount to in a sentence.

use super::output;
use super::style::{Tone, paint};
use crate::model::EffectKind;

/// The lines of a difference below its head: those that can do more harm first, then by verb, adverse verbs first.
pub fn ordered(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().skip(1).filter(|line| !line.trim().is_empty()).collect();
    lines.sort_by_key(|line| (!is_graver(line), rank(verb(line)), verb(line).to_owned()));
    lines
}

/// Prints the lines of a difference, those that can do more harm in red.
pub fn show(text: &str, indent: &str) {
    for line in ordered(text) {
        let shown = output::visible(line);
        let shown = if is_graver(line) { paint(Tone::Bad, &shown) } else { shown };
        output::line(&format!("{indent}{shown}"));
    }
}

/// Returns the number of changes, and of those that can do more harm.
pub fn count(text: &str) -> (usize, usize) {
    let lines = ordered(text);
    (lines.len(), lines.iter().filter(|line| is_graver(line)).count())
}

/// The differences in a sentence.
pub fn sentence(policies: usize, changes: usize, graver: usize) -> String {
    let policies =
        if policies == 1 { "1 policy differs".to_owned() } else { format!("{policies} policies differ") };
    let changes = if changes == 1 { "1 change".to_owned() } else { format!("{changes} changes") };
    match graver {
        0 => format!("{policies}, {changes}; none can do more harm"),
        1 => format!("{policies}, {changes}; 1 can do more harm (marked !)"),
        graver => format!("{policies}, {changes}; {graver} can do more harm (marked !)"),
    }
}

fn is_graver(line: &str) -> bool {
    line.trim_start().starts_with('!')
}

fn verb(line: &str) -> &str {
    line.split_whitespace().nth(1).unwrap_or_default()
}

/// Effects that end or withhold something first, then other effects, then what is around them.
fn rank(verb: &str) -> u8 {
    match EffectKind::of_word(verb).map(EffectKind::nature) {
        Some(nature) if nature.takes() => 0,
        Some(_) => 1,
        None => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_change_comes_first() {
        let text = "registration-proofing\n  ~ answer_within proof (14d -> 7d)\n  + notify subject: x\n !+ notify subject: y\n !~ delete registration: z\n  - delete registration: w\n";
        let lines: Vec<_> = ordered(text).into_iter().map(str::trim).collect();
        assert_eq!(
            lines,
            [
                "!~ delete registration: z",
                "!+ notify subject: y",
                "- delete registration: w",
                "+ notify subject: x",
                "~ answer_within proof (14d -> 7d)",
            ]
        );
        assert_eq!(count(text), (5, 2));
        assert_eq!(sentence(1, 5, 2), "1 policy differs, 5 changes; 2 can do more harm (marked !)");
    }
}
