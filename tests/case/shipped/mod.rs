//! Paths through the shipped policies: each row is one path, with every call that is made on it. All rows
//! together cover every step of every policy and send every mail, in both languages.
mod registrations;
mod users;
mod walk;
mod work;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use walk::{Row, occasion, opens_for};

fn rows() -> Vec<Row> {
    [registrations::rows(), users::rows(), work::rows()].into_iter().flatten().collect()
}

#[test]
fn every_path_of_shipped_policies_has_the_expected_effects_and_ends() {
    let mut walked: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let (mut sent, mut wrong) = (BTreeSet::new(), BTreeSet::new());
    for row in rows() {
        for language in ["en", "de"] {
            let way = walk::walk(&row, language);
            walked.entry(row.policy).or_default().extend(way.steps);
            sent.extend(way.templates);
            wrong.extend(way.wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
    let shipped = walk::files().0.keys().filter_map(|path| path.strip_suffix("/policy.yaml"));
    for name in shipped {
        let policy = walk::policy(name);
        let steps = policy.steps.iter().map(|step| step.path.clone());
        let left: Vec<_> =
            steps.filter(|step| !walked.get(name).is_some_and(|way| way.contains(step))).collect();
        assert!(left.is_empty(), "{name}: no row goes over {left:?}");
    }
    let templates = walk::files().0.keys().filter_map(|path| path.strip_prefix("shared/templates/"));
    let templates: BTreeSet<_> =
        templates.filter_map(|path| path.split_once('/')).map(|(name, _)| name.to_owned()).collect();
    let unsent: Vec<_> = templates.difference(&sent).collect();
    assert!(unsent.is_empty(), "mails that no row sends: {unsent:?}");
}

#[test]
fn every_shipped_mail_exists_in_both_languages() {
    let names = walk::files().0.keys().filter_map(|path| path.strip_prefix("shared/templates/"));
    let mut languages: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, file) in names.filter_map(|path| path.split_once('/')) {
        languages.entry(name).or_default().push(file);
    }
    for (name, files) in languages {
        assert_eq!(files, ["de.md", "en.md"], "{name}");
    }
}

#[test]
fn shipped_policies_open_cases_for_matching_subjects() {
    use proofd::model::SubjectKind::User;
    let sign_in = |kind: &str, score: i64, new: Option<bool>| {
        Some(occasion(
            User,
            kind,
            json!({"score": score, "reasons": [], "reason_text": "", "new_device": new}),
        ))
    };
    let role = |role: &str| Some(occasion(User, "user.role_granted", json!({"role": role})));
    let nothing = || ("locale", json!("en"));
    for (policy, but, event, expected) in [
        ("registration-proofing", nothing(), None, true),
        ("registration-proofing", ("email_domain", json!("example.com")), None, false),
        ("registration-proofing", ("profile", json!(null)), None, true),
        ("registration-proofing", ("profile", json!("Sponsored partners")), None, false),
        ("partner-with-sponsor", ("profile", json!("Sponsored partners")), None, true),
        ("partner-with-sponsor", ("profile", json!(null)), None, false),
        ("partner-with-sponsor", nothing(), None, false),
        ("partner-role", nothing(), None, true),
        ("partner-role", ("attributes", json!({})), None, false),
        (
            "partner-role",
            ("attributes", json!({"partner_sponsor": null, "partner_proven_at": null})),
            None,
            false,
        ),
        ("partner-role", ("roles", json!(["Partner"])), None, false),
        ("quarterly-reverification", nothing(), None, true),
        ("quarterly-reverification", ("exempt_until", json!("2026-01-06T00:00:00Z")), None, false),
        ("quarterly-reverification", ("exempt_until", json!("2026-01-01T00:00:00Z")), None, true),
        ("quarterly-reverification", ("service_account", json!(true)), None, false),
        ("quarterly-reverification", ("service_account", json!(false)), None, true),
        ("login-risk", nothing(), sign_in("login.succeeded", 76, None), true),
        ("login-risk", nothing(), sign_in("login.succeeded", 75, None), false),
        ("login-risk", nothing(), sign_in("login.succeeded", 60, Some(true)), true),
        ("login-risk", nothing(), sign_in("login.succeeded", 50, Some(true)), false),
        // Wrong passwords must not lock a person out.
        ("login-risk", nothing(), sign_in("login.failed", 100, Some(true)), false),
        ("login-risk", ("service_account", json!(true)), sign_in("login.succeeded", 100, None), false),
        ("privileged-role", nothing(), role("Directory admin"), true),
        ("privileged-role", nothing(), role("Staff"), false),
        ("support-reverification", nothing(), None, true),
        ("applicant-to-hr", nothing(), None, true),
    ] {
        assert_eq!(opens_for(policy, but.clone(), event.clone()), expected, "{policy} {but:?} {event:?}");
    }
}
