//! Reports changed addresses of notified teams, and new addresses in mails. Reviewers are compared with their reviews.

use std::collections::BTreeSet;

use super::super::details::{Details, StopKind};
use super::{Both, Finding, Weight};
use crate::model::Nature;

pub(super) fn look(both: &Both<'_>) -> Vec<Finding> {
    let (old, new) = (&both.old.details, &both.new.details);
    let mut found = Vec::new();
    let ends = both.new.effects.iter().any(|effect| effect.verb.nature() == Some(Nature::Ends));
    let another_owner = ends && old.owner != new.owner;
    if another_owner {
        let to = |owner: &Option<String>| owner.clone().unwrap_or_else(|| "nobody".to_owned());
        let how = format!("{} -> {}", to(&old.owner), to(&new.owner));
        found.push(Finding::new(Weight::Back, "sends objections to another address", how));
    }
    let mut reported: BTreeSet<&str> = deciding(old);
    reported.extend(old.owner.as_deref().filter(|_| another_owner));
    for (team, before) in old.team_mails.iter().filter(|(_, before)| !reported.contains(before.as_str())) {
        let Some(after) = new.team_mails.get(team).filter(|after| domain(before) != domain(after)) else {
            continue;
        };
        let begin = format!("notifies team {team} at another domain");
        found.push(Finding::new(Weight::Back, begin, format!("{before} -> {after}")));
    }
    for (team, before) in &old.called {
        // A team without its queue or mail is reported with the queue or mail.
        let (Some(before), Some(after)) = (before, new.called.get(team)) else { continue };
        if after.as_ref() != Some(before) {
            let after = after.as_deref().unwrap_or("nothing");
            let begin = format!("calls team {team} by another endpoint");
            found.push(Finding::new(Weight::Back, begin, format!("{before} -> {after}")));
        }
    }
    let fresh: Vec<&str> = new.addresses.difference(&old.addresses).map(String::as_str).collect();
    if !fresh.is_empty() {
        found.push(Finding::new(Weight::Unknown, "has another web address in its mails", fresh.join(", ")));
    }
    found
}

/// Returns the addresses of reviewers.
fn deciding(details: &Details) -> BTreeSet<&str> {
    let desks = details.stops.iter().flat_map(|stop| match &stop.kind {
        StopKind::Panel(panel) => std::iter::once(&panel.queue).chain(&panel.escalate).collect(),
        StopKind::Check(_) | StopKind::Pause(_) | StopKind::Other => Vec::new(),
    });
    desks.map(|desk| desk.mail.as_str()).collect()
}

fn domain(mail: &str) -> &str {
    mail.rsplit_once('@').map_or(mail, |(_, domain)| domain)
}
