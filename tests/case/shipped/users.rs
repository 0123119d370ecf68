//! People with an account: the quarterly sweep, risky logins, privileged roles.

use serde_json::json;

use super::walk::{Row, after, row};

const Q: &str = "quarterly-reverification";
const L: &str = "login-risk";
const R: &str = "privileged-role";

pub fn rows() -> Vec<Row> {
    [quarterly(), quarterly_silent(), risk(), risk_silent(), roles()].into_iter().flatten().collect()
}

/// Three weeks without an answer, and the suspension that follows.
const SILENT: &str = "reverify-invite>person reverify-reminder>person reverify-reminder>person
    reverify-reminder>manager reverify-last-call>person reverify-last-call>manager suspend
    report-suspended>manager help-with-suspension>help-desk suspended-invite>person";

fn quarterly() -> Vec<Row> {
    vec![
        row(
            Q,
            &["pass"],
            "reverify-invite>person start:selfie set:verified_at proofing-done>person",
            "verified",
        ),
        row(
            Q,
            &["warn", "decide accept dana"],
            "reverify-invite>person start:selfie in-review>person review>identity-desk set:verified_at
             account-open-again>person report-open-again>manager",
            "reinstated",
        ),
        Row {
            held: 1,
            ..row(
                Q,
                &["reject FACE_MISMATCH", "decide refuse dana"],
                "reverify-invite>person start:selfie suspend+sessions suspended-in-review>person
                 report-suspended>manager review>identity-desk suspend+sessions account-stays-suspended>person
                 report-left-suspended>help-desk",
                "refused",
            )
        },
        // A second attempt that the desk granted and the person passed: the effects of the first are undone.
        row(
            Q,
            &["reject FACE_MISMATCH", "decide try_again dana", "pass"],
            "reverify-invite>person start:selfie suspend+sessions suspended-in-review>person
             report-suspended>manager review>identity-desk reverify-invite>person start:selfie reinstate
             set:verified_at proofing-done>person",
            "verified",
        ),
        Row {
            held: 1,
            ..row(
                Q,
                &["warn", "decide try_again dana", "warn", "decide try_again dana"],
                "reverify-invite>person start:selfie in-review>person review>identity-desk
                 reverify-invite>person start:selfie in-review>person review>identity-desk suspend+sessions
                 account-stays-suspended>person report-left-suspended>help-desk",
                "refused",
            )
        },
        row(
            Q,
            &["warn", "overdue"],
            "reverify-invite>person start:selfie in-review>person review>identity-desk review>identity-leads
             review-overdue>iam-oncall review-overdue>identity-leads undecided>person",
            "undecided",
        ),
    ]
}

fn quarterly_silent() -> Vec<Row> {
    vec![
        // The person is away for a month and returns.
        row(
            Q,
            &["silence", "wait 5d", "pass"],
            after(
                SILENT,
                "start:selfie set:verified_at reinstate account-open-again>person report-open-again>manager",
            ),
            "reinstated",
        ),
        Row {
            held: 1,
            ..row(
                Q,
                &["silence", "silence"],
                after(
                    SILENT,
                    "suspended-reminder>person suspended-reminder>person account-stays-suspended>person
                     report-left-suspended>help-desk",
                ),
                "left_suspended",
            )
        },
        row(
            Q,
            &["silence", "warn", "decide accept dana"],
            after(
                SILENT,
                "start:selfie in-review>person review>identity-desk set:verified_at reinstate
                 account-open-again>person report-open-again>manager",
            ),
            "reinstated",
        ),
        Row {
            held: 1,
            ..row(
                Q,
                &["silence", "reject FACE_MISMATCH", "overdue"],
                after(
                    SILENT,
                    "start:selfie in-review>person review>identity-desk review>identity-leads
                     review-overdue>iam-oncall review-overdue>identity-leads undecided>person",
                ),
                "undecided",
            )
        },
        row(
            Q,
            &["silence", "down", "decide accept dana"],
            after(
                SILENT,
                "provider-down>iam-oncall review>identity-desk set:verified_at reinstate
                 account-open-again>person report-open-again>manager",
            ),
            "reinstated",
        ),
        row(Q, &["down"], "reverify-invite>person", "postponed"),
        // A person without a manager is reminded and suspended like everyone, and nothing gets stuck.
        Row {
            but: Some(("manager", json!(null))),
            ..row(
                Q,
                &["silence", "pass"],
                "reverify-invite>person reverify-reminder>person reverify-reminder>person
                 reverify-last-call>person suspend help-with-suspension>help-desk suspended-invite>person
                 start:selfie set:verified_at reinstate account-open-again>person",
                "reinstated",
            )
        },
    ]
}

const HELD: &str = "suspend+sessions risk-hold>person";
const ASLEEP: &str = "suspend+sessions risk-hold>person risk-reminder>person risk-reminder>person
    help-with-suspension>help-desk report-suspended>manager suspended-invite>person";

fn risk() -> Vec<Row> {
    vec![
        row(
            L,
            &["pass"],
            after(
                HELD,
                "start:selfie set:verified_at reinstate account-open-again>person report-open-again>manager",
            ),
            "reinstated",
        ),
        row(
            L,
            &["warn", "decide lift ann", "decide lift ben"],
            after(
                HELD,
                "start:selfie in-review>person review>soc reinstate account-open-again>person
                 report-open-again>manager",
            ),
            "reinstated",
        ),
        Row {
            held: 1,
            ..row(
                L,
                &["reject FACE_MISMATCH", "decide keep ann", "decide keep ben"],
                after(
                    HELD,
                    "start:selfie in-review>person call:paging review>soc account-stays-suspended>person
                     report-left-suspended>help-desk",
                ),
                "compromised",
            )
        },
        // The pager fails and the analysts disagree; then no decision is made.
        Row {
            held: 1,
            ..row(
                L,
                &["fails call", "reject FACE_MISMATCH", "decide keep ann", "decide lift ben", "overdue"],
                after(
                    HELD,
                    "start:selfie in-review>person call:paging review>soc review>soc-leads
                     review-overdue>soc-leads review-overdue>iam-oncall account-stays-suspended>person
                     report-left-suspended>help-desk",
                ),
                "left_suspended",
            )
        },
        Row {
            held: 1,
            ..row(
                L,
                &["down", "overdue"],
                after(
                    HELD,
                    "review>soc review>soc-leads review-overdue>soc-leads review-overdue>iam-oncall
                     account-stays-suspended>person report-left-suspended>help-desk",
                ),
                "left_suspended",
            )
        },
    ]
}

fn risk_silent() -> Vec<Row> {
    vec![
        row(
            L,
            &["silence", "pass"],
            after(
                ASLEEP,
                "start:selfie set:verified_at reinstate account-open-again>person report-open-again>manager",
            ),
            "reinstated",
        ),
        Row {
            held: 1,
            ..row(
                L,
                &["silence", "silence"],
                after(
                    ASLEEP,
                    "suspended-reminder>person suspended-reminder>person account-stays-suspended>person
                     report-left-suspended>help-desk",
                ),
                "left_suspended",
            )
        },
        row(
            L,
            &["silence", "warn", "decide lift ann", "decide lift ben"],
            after(
                ASLEEP,
                "start:selfie in-review>person review>soc reinstate account-open-again>person
                 report-open-again>manager",
            ),
            "reinstated",
        ),
        row(
            L,
            &["silence", "reject FACE_MISMATCH", "decide lift ann", "decide lift ben"],
            after(
                ASLEEP,
                "start:selfie in-review>person review>soc reinstate account-open-again>person
                 report-open-again>manager",
            ),
            "reinstated",
        ),
        row(
            L,
            &["silence", "down", "decide lift ann", "decide lift ben"],
            after(ASLEEP, "review>soc reinstate account-open-again>person report-open-again>manager"),
            "reinstated",
        ),
    ]
}

const TAKEN: &str = "remove_role:Payments-admin report-role-held>manager role-invite>person";

fn roles() -> Vec<Row> {
    vec![
        row(
            R,
            &["pass"],
            after(TAKEN, "start:document set:verified_at assign_role:Payments-admin role-given>person"),
            "granted",
        ),
        row(
            R,
            &["warn", "decide grant dana"],
            after(
                TAKEN,
                "start:document in-review>person review>role-owners assign_role:Payments-admin
                 role-given>person",
            ),
            "granted",
        ),
        // The role is removed permanently: nothing remains that a later grant would conflict with.
        row(
            R,
            &["reject FAKE", "decide refuse dana"],
            after(
                TAKEN,
                "start:document in-review>person report-role-proof-failed>role-owners
                 report-role-proof-failed>soc review>role-owners remove_role:Payments-admin
                 role-not-given>person report-role-not-given>manager",
            ),
            "not_granted",
        ),
        row(
            R,
            &["silence"],
            after(
                TAKEN,
                "role-reminder>person role-reminder>person role-reminder>manager remove_role:Payments-admin
                 role-not-given>person report-role-not-given>manager",
            ),
            "not_granted",
        ),
        Row {
            but: Some(("manager", json!({"email": null, "name": "Mary"}))),
            ..row(
                R,
                &["down", "overdue"],
                "remove_role:Payments-admin role-invite>person review>role-owners review-overdue>role-owners
                 remove_role:Payments-admin role-not-given>person",
                "not_granted",
            )
        },
    ]
}
