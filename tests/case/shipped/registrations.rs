//! Self-registrations, by the public and by partners with a sponsor.

use serde_json::json;

use super::walk::{Row, row};

const P: &str = "registration-proofing";
const S: &str = "partner-with-sponsor";

pub fn rows() -> Vec<Row> {
    [anybody(), anybody_by_the_desk(), partners(), partners_in_doubt()].into_iter().flatten().collect()
}

fn anybody() -> Vec<Row> {
    vec![
        row(P, &["pass"], "proof-invite>person start:document approve proofing-done>person", "approved"),
        row(
            P,
            &["warn", "decide approve dana"],
            "proof-invite>person start:document proof-in-review>person review>identity-desk approve
             proofing-done>person",
            "approved",
        ),
        row(
            P,
            &["reject MANIPULATED_DOCUMENT", "wait 7d"],
            "proof-invite>person start:document fraud-attempt>fraud registration-declined>person delete",
            "rejected",
        ),
        row(
            P,
            &["reject BLURRED", "reject BLURRED", "reject BLURRED", "decide reject dana", "wait 30d"],
            "proof-invite>person start:document proof-try-again>person proof-invite>person start:document
             proof-try-again>person proof-invite>person start:document proof-try-again>person
             proof-in-review>person review>identity-desk registration-declined>person delete",
            "rejected",
        ),
    ]
}

fn anybody_by_the_desk() -> Vec<Row> {
    vec![
        row(
            P,
            &["reject NEW_LABEL", "decide try_again dana", "pass"],
            "proof-invite>person start:document proof-in-review>person review>identity-desk
             proof-try-again>person proof-invite>person start:document approve proofing-done>person",
            "approved",
        ),
        row(
            P,
            &[
                "warn",
                "decide try_again dana",
                "warn",
                "decide try_again dana",
                "warn",
                "decide try_again dana",
                "wait 30d",
            ],
            "proof-invite>person start:document proof-in-review>person review>identity-desk
             proof-try-again>person proof-invite>person start:document proof-in-review>person review>identity-desk
             proof-try-again>person proof-invite>person start:document proof-in-review>person review>identity-desk
             proof-try-again>person registration-declined>person delete",
            "not_proven",
        ),
        row(
            P,
            &["silence", "wait 7d"],
            "proof-invite>person proof-reminder>person proof-reminder>person proof-last-call>person
             registration-expired>person delete",
            "expired",
        ),
        row(
            P,
            &["down", "overdue"],
            "proof-invite>person provider-down>iam-oncall review>identity-desk review>identity-leads
             review-overdue>iam-oncall review-overdue>identity-leads undecided>person",
            "undecided",
        ),
    ]
}

fn partners() -> Vec<Row> {
    vec![
        row(
            S,
            &["pass", "decide vouched dana"],
            "proof-invite>person start:document call:ticketing review>partner-desk
             set:attributes.partner_sponsor,attributes.partner_proven_at approve proofing-done>person",
            "approved",
        ),
        Row {
            but: Some(("attributes", json!({"sponsor": "friend@elsewhere.test"}))),
            ..row(S, &["wait 14d"], "partner-without-sponsor>person delete", "no_sponsor")
        },
        row(
            S,
            &["warn", "decide declined dana", "wait 30d"],
            "proof-invite>person start:document proof-in-review>person call:ticketing review>partner-desk
             registration-declined>person delete",
            "declined",
        ),
        row(
            S,
            &["reject FAKE", "wait 30d"],
            "proof-invite>person start:document fraud-attempt>fraud fraud-attempt>partner-desk
             registration-declined>person delete",
            "declined",
        ),
    ]
}

fn partners_in_doubt() -> Vec<Row> {
    vec![
        // A refusing ticketing system delays no case.
        row(
            S,
            &["fails call", "reject GLARE", "reject GLARE", "reject GLARE", "decide vouched dana"],
            "proof-invite>person start:document proof-try-again>person proof-invite>person start:document
             proof-try-again>person proof-invite>person start:document proof-try-again>person call:ticketing
             review>partner-desk set:attributes.partner_sponsor,attributes.partner_proven_at approve
             proofing-done>person",
            "approved",
        ),
        row(
            S,
            &[
                "reject NEW_LABEL",
                "decide try_again dana",
                "pass",
                "decide try_again dana",
                "pass",
                "decide try_again dana",
                "wait 30d",
            ],
            "proof-invite>person start:document proof-in-review>person call:ticketing review>partner-desk
             proof-try-again>person proof-invite>person start:document call:ticketing review>partner-desk
             proof-try-again>person proof-invite>person start:document call:ticketing review>partner-desk
             proof-try-again>person registration-declined>person delete",
            "declined",
        ),
        row(
            S,
            &["silence", "wait 7d"],
            "proof-invite>person proof-reminder>person proof-last-call>person registration-expired>person delete",
            "expired",
        ),
        row(
            S,
            &["down", "overdue"],
            "proof-invite>person provider-down>iam-oncall call:ticketing review>partner-desk
             review>identity-leads review-overdue>partner-desk review-overdue>iam-oncall undecided>person",
            "undecided",
        ),
    ]
}
