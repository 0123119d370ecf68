//! Renders a sheet and a difference as text.

use std::fmt;

use super::{Bound, Diff, Effect, Sheet, Sign, Way};
use crate::policy::Mode;
use crate::policy::tree::{Amount, WhenExceeded};

pub(super) fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::Shadow => "shadow",
        Mode::Disabled => "disabled",
    }
}

impl fmt::Display for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.policy, self.title)?;
        let idle = if self.acts() { "" } else { " (no effects in this mode)" };
        writeln!(f, "{:>12}  {}{idle}", "mode", mode(self.mode))?;
        writeln!(f, "{:>12}  {}", "subject", self.subject)?;
        for opens in &self.opens_on {
            let most =
                opens.at_most.map(|most| format!(", at most {most} cases per run")).unwrap_or_default();
            let runs = opens.runs.as_ref().map(|runs| format!(", {runs}")).unwrap_or_default();
            writeln!(f, "{:>12}  {}{runs}{most}", "opens on", opens.by)?;
            lines(f, "where", &opens.only_if)?;
            lines(f, "due", opens.due.as_slice())?;
        }
        lines(f, "only if", &self.only_if)?;
        lines(f, "as long as", &self.as_long_as)?;
        lines(f, "canceled by", &self.cancelled_by)?;
        let settings: Vec<_> = self.settings.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        lines(f, "settings", &settings)?;
        let limits: Vec<_> = self.limits.iter().map(Bound::line).collect();
        lines(f, "limit", &limits)?;
        writeln!(
            f,
            "{:>12}  case {}, evidence {} after the close",
            "kept", self.kept.case, self.kept.evidence
        )?;
        writeln!(f)?;
        let rows: Vec<[String; 5]> = self.effects.iter().flat_map(rows).collect();
        let head = ["EFFECT", "ON", "GRACE", "DECIDED BY", "PATH"].map(str::to_owned);
        let mut widths = [0; 5];
        for row in std::iter::once(&head).chain(&rows) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in std::iter::once(&head).chain(&rows) {
            let cells: Vec<_> =
                row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            writeln!(f, "{}", cells.join("  ").trim_end())?;
        }
        if !self.complete {
            writeln!(f, "Too many paths to list them all; every effect is listed.")?;
        }
        Ok(())
    }
}

fn lines(f: &mut fmt::Formatter<'_>, label: &str, lines: &[String]) -> fmt::Result {
    for (number, line) in lines.iter().enumerate() {
        writeln!(f, "{:>12}  {line}", if number == 0 { label } else { "" })?;
    }
    Ok(())
}

/// Returns every path to an effect that takes something or admits a person without proof; of other effects, the
/// shortest path and the number of others.
fn rows(effect: &Effect) -> Vec<[String; 5]> {
    let listed = |way: &Way| effect.verb.takes() || way.unproven;
    let shown = effect.ways.iter().enumerate().filter(|(number, way)| *number == 0 || listed(way));
    let shown: Vec<&Way> = shown.map(|(_, way)| way).collect();
    let more = effect.ways.len() - shown.len();
    let mut rows = Vec::new();
    for (number, way) in shown.into_iter().enumerate() {
        let first = number == 0;
        let more = if more > 0 && first { format!(" (and {more} more)") } else { String::new() };
        let clauses =
            if way.only_if.is_empty() { String::new() } else { format!(", if {}", way.only_if.join("; ")) };
        rows.push([
            if first { effect.verb.to_string() } else { String::new() },
            if first { short(&effect.to) } else { String::new() },
            way.grace.map(|grace| grace.to_string()).unwrap_or_default(),
            decided_by(way),
            format!("{}{clauses}{more}", way.line()),
        ]);
    }
    rows
}

/// Shortens a text, such as a list of thirty attributes; the JSON has all of it.
fn short(text: &str) -> String {
    const MOST: usize = 64;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}

fn decided_by(way: &Way) -> String {
    if way.unproven {
        return "no pass, no decision".to_owned();
    }
    let one = |by: &super::Decided| match by.people {
        0 | 1 => by.queue.clone(),
        people => format!("{people} of {}", by.queue),
    };
    way.decided_by.iter().map(one).collect::<Vec<_>>().join(", ")
}

impl Bound {
    pub(super) fn new(limit: &crate::policy::tree::Limit) -> Self {
        let at_most = match limit.at_most {
            Amount::Count(count) => count.to_string(),
            Amount::Percent(share) => format!("{share}%"),
            Amount::Larger(count, share) => format!("{count} or {share}%"),
        };
        let (action, per, when_exceeded, stated) =
            (limit.action, limit.per, limit.when_exceeded, limit.stated);
        Self { action, at_most, per, when_exceeded, stated, limit: limit.clone() }
    }

    /// Returns the limit in one line.
    pub fn line(&self) -> String {
        let then = match self.when_exceeded {
            WhenExceeded::Ask => "the next one waits for a release",
            WhenExceeded::Skip => "the next one is skipped",
        };
        let by = if self.stated { "" } else { " (default)" };
        format!("{} at most {} per {}, {then}{by}", self.action.word(), self.at_most, self.per)
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.policy)?;
        if self.changes.is_empty() {
            return writeln!(f, "  same effects");
        }
        for change in &self.changes {
            let sign = match change.sign {
                Sign::Added => '+',
                Sign::Removed => '-',
                Sign::Changed => '~',
            };
            let grave = if change.graver { "!" } else { " " };
            let how = if change.how.is_empty() { String::new() } else { format!(" ({})", change.how) };
            writeln!(f, " {grave}{sign} {} {}{how}", change.kind.word(), change.what)?;
        }
        Ok(())
    }
}
