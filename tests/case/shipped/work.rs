//! Applicants, callers of the help desk, and the role of a partner.

use serde_json::json;

use super::walk::{Row, after, row};

const A: &str = "applicant-to-hr";
const C: &str = "support-reverification";

const HIRED: &str = "create_user:hris emit:com.example.applicant.verified hire-welcome>person";
const DECLINED: &str =
    "emit:com.example.applicant.declined hire-report-declined>recruiting hire-declined>person";

pub fn rows() -> Vec<Row> {
    let partner = row("partner-role", &[], "assign_role:Partner partner-ready>person", "granted");
    [applicants(), applicants_in_doubt(), callers(), vec![partner]].into_iter().flatten().collect()
}

fn applicants() -> Vec<Row> {
    vec![
        row(A, &["pass"], after("hire-invite>person start:document", HIRED), "created"),
        row(
            A,
            &["warn", "decide accept hanna"],
            after("hire-invite>person start:document in-review>person review>hr", HIRED),
            "created",
        ),
        row(
            A,
            &["reject FAKE", "decide decline hanna"],
            after("hire-invite>person start:document hire-fraud>fraud in-review>person review>hr", DECLINED),
            "declined",
        ),
        row(
            A,
            &["reject BLURRED", "pass"],
            after("hire-invite>person start:document hire-invite>person start:document", HIRED),
            "created",
        ),
        row(
            A,
            &["reject BLURRED", "reject BLURRED", "reject BLURRED", "decide accept hanna"],
            after(
                "hire-invite>person start:document hire-invite>person start:document hire-invite>person
                 start:document in-review>person review>hr",
                HIRED,
            ),
            "created",
        ),
    ]
}

fn applicants_in_doubt() -> Vec<Row> {
    vec![
        row(
            A,
            &[
                "reject NEW_LABEL",
                "decide try_again hanna",
                "warn",
                "decide try_again hanna",
                "warn",
                "decide try_again hanna",
            ],
            after(
                "hire-invite>person start:document in-review>person review>hr hire-invite>person
                 start:document in-review>person review>hr hire-invite>person start:document in-review>person
                 review>hr",
                DECLINED,
            ),
            "declined",
        ),
        row(
            A,
            &["silence"],
            "hire-invite>person hire-reminder>person hire-reminder>person hire-reminder>person
             hire-silent>recruiting hire-expired>person",
            "expired",
        ),
        row(
            A,
            &["down", "overdue"],
            "hire-invite>person provider-down>iam-oncall review>hr review>identity-leads review-overdue>hr
             review-overdue>recruiting undecided>person",
            "undecided",
        ),
        // Without a name, every passport would match.
        Row {
            but: Some(("last_name", json!(" "))),
            ..row(A, &[], "hire-incomplete>recruiting hire-incomplete>hr", "incomplete")
        },
    ]
}

fn callers() -> Vec<Row> {
    const PROVEN: &str = "caller-proven>help-desk set:verified_at emit:com.example.caller.verified
        proofing-done>person";
    const NOT_PROVEN: &str = "caller-not-proven>help-desk caller-not-proven>soc somebody-called>person
        emit:com.example.caller.not_verified";
    let careful = || Some(("roles", json!(["Payments admin"])));
    let full = |row: Row| Row { but: careful(), ..row };
    let (selfie, document) = ("support-invite>person start:selfie", "support-invite>person start:document");
    vec![
        row(C, &["pass"], after(selfie, PROVEN), "verified"),
        row(C, &["warn"], after(selfie, NOT_PROVEN), "not_proven"),
        row(C, &["reject FACE_MISMATCH"], after(selfie, NOT_PROVEN), "not_proven"),
        row(C, &["silence"], "support-invite>person caller-silent>help-desk", "no_answer"),
        row(C, &["down"], "support-invite>person caller-provider-down>help-desk", "unavailable"),
        full(row(C, &["pass"], after(document, PROVEN), "verified")),
        full(row(C, &["warn"], after(document, NOT_PROVEN), "not_proven")),
        full(row(C, &["reject FAKE"], after(document, NOT_PROVEN), "not_proven")),
        full(row(C, &["silence"], "support-invite>person caller-silent>help-desk", "no_answer")),
        full(row(C, &["down"], "support-invite>person caller-provider-down>help-desk", "unavailable")),
        // A person without an earlier proof has no face for a comparison.
        Row {
            but: Some(("verified_at", json!(null))),
            ..row(C, &["pass"], after(document, PROVEN), "verified")
        },
    ]
}
