//! Migration of open cases to another revision: a table of the new position, or the reason to stay.
use crate::tree::written::{person, policy};
use crate::tree::{Desk, at, member};
use proofd::case::{Decision, Input, Mover, OpenedBy, migrate};
use proofd::model::EffectKind;
use proofd::model::Timestamp;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    old: Value,
    new: Value,
    pass: Option<String>,
    /// The decision of one reviewer.
    decide: Option<String>,
    over_limit: Option<EffectKind>,
    then: Option<Then>,
    cannot: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Then {
    step: String,
    due: i64,
    remind: Option<i64>,
    escalate: Option<i64>,
    #[serde(default)]
    overdue: Vec<String>,
}

#[test]
fn migrated_cases_continue_at_the_expected_step() {
    let text = std::fs::read_to_string("tests/data/migrations.yaml").unwrap();
    let rows: Vec<Row> = serde_yaml::from_str(&text).unwrap();
    let opened = at("2026-01-05T09:00:00Z");
    let hours = |at: Option<Timestamp>| at.map(|at| (at - opened).num_hours());
    for row in rows {
        let (old, new) = (policy(&row.old), policy(&row.new));
        let by = OpenedBy::Hand { by: "Opal".to_owned(), reason: "r".to_owned(), nonce: "1".to_owned() };
        let subject = person(old.subject, &Value::Null);
        let mut desk = Desk::with(old, subject, by, |desk| {
            desk.over_limit.extend(row.over_limit);
        });
        if let Some(pass) = &row.pass {
            desk.pass(pass);
        }
        if let Some(decision) = row.decide {
            let (reason, by, at) = (None, member(&desk.policy, "Desi"), desk.now);
            desk.input(Input::Decision(Decision { decision, reason, by, at })).unwrap();
        }
        let mover = Mover { by: "Opal".to_owned(), reason: "why".to_owned() };
        let moved = migrate(desk.case.clone(), &desk.policy, &new, &desk.here(), &mover);
        let again = migrate(desk.case.clone(), &desk.policy, &new, &desk.here(), &mover);
        assert_eq!(moved, again, "{}: the same answer to the same question", row.name);
        let preview = match (&moved, &row.cannot) {
            (Err(why), Some(part)) => {
                assert!(why.to_string().contains(part.as_str()), "{}: {why}", row.name);
                continue;
            }
            (Ok(moved), None) => &moved.preview,
            (moved, _) => panic!("{}: {moved:?}", row.name),
        };
        let found = Then {
            step: preview.step_then.rsplit('/').next().unwrap().to_owned(),
            due: hours(preview.due_then).unwrap(),
            remind: hours(preview.remind_then),
            escalate: hours(preview.escalate_then),
            overdue: preview.overdue.iter().map(|word| (*word).to_owned()).collect(),
        };
        assert_eq!(Some(found), row.then, "{}", row.name);
        // The case continues in the new revision: overdue actions happen, and it closes without further inputs.
        desk.take(moved.unwrap().advance);
        desk.policy = new;
        assert_eq!(desk.case.revision, desk.policy.revision);
        desk.pass("60d");
        assert!(desk.case.is_closed(), "{}: {:?}", row.name, desk.case.state);
    }
}
