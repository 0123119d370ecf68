//! Addresses of those who hear of it, and addresses that mails name. Those who decide are compared with their reviews.

use super::{Both, Finding, Weight};

pub(super) fn look(both: &Both<'_>) -> Vec<Finding> {
    let (old, new) = (&both.old.details, &both.new.details);
    let mut found = Vec::new();
    let ends = both.new.effects.iter().any(|effect| matches!(effect.verb.as_str(), "delete" | "reject"));
    if ends && old.owner != new.owner {
        let to = |owner: &Option<String>| owner.clone().unwrap_or_else(|| "nobody".to_owned());
        let how = format!("{} -> {}", to(&old.owner), to(&new.owner));
        found.push(Finding::new(Weight::Back, "sends objections to another address", how));
    }
    for (team, before) in &old.told {
        let Some(after) = new.told.get(team).filter(|after| domain(before) != domain(after)) else {
            continue;
        };
        let begin = format!("tells team {team} at another domain");
        found.push(Finding::new(Weight::Back, begin, format!("{before} -> {after}")));
    }
    for (team, before) in &old.called {
        let after = new.called.get(team);
        if after == Some(before) {
            continue;
        }
        let after = after.map_or("nothing", String::as_str);
        let begin = format!("calls team {team} by another endpoint");
        found.push(Finding::new(Weight::Back, begin, format!("{before} -> {after}")));
    }
    let fresh: Vec<&str> = new.addresses.difference(&old.addresses).map(String::as_str).collect();
    if !fresh.is_empty() {
        found.push(Finding::new(
            Weight::Unknown,
            "names another address on the web in its mails",
            fresh.join(", "),
        ));
    }
    found
}

fn domain(mail: &str) -> &str {
    mail.rsplit_once('@').map_or(mail, |(_, domain)| domain)
}
