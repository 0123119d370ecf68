//! Drawings of small graphs, as data.

use super::*;
use crate::api::diagnostics::Place;
use crate::api::steps::{EdgeCause, StepEdge};

/// A step `NAME: VERB` with edges `via outcome to`.
fn step(name: &str, verb: &str, edges: &[(EdgeCause, &str, usize)]) -> StepLine {
    let edge = |(via, outcome, to): &(EdgeCause, &str, usize)| StepEdge {
        to: *to,
        via: *via,
        outcome: Some((*outcome).to_owned()).filter(|word| !word.is_empty()),
    };
    StepLine {
        path: format!("at/{name}"),
        name: name.to_owned(),
        verb: verb.to_owned(),
        about: String::new(),
        effect: None,
        adverse: false,
        answer_within: None,
        grace: None,
        only_if: Vec::new(),
        place: Place { file: String::new(), line: 1, column: 1, length: 1 },
        edges: edges.iter().map(edge).collect(),
    }
}

/// A proof with two outcomes; a rejected one is tried again, then reviewed like a warning.
fn source() -> RevisionSource {
    use EdgeCause::{Again, Next, Outcome, UsedUp};
    let steps = vec![
        step("proof", "verify", &[(Outcome, "passed", 1), (Outcome, "warning", 3), (Outcome, "rejected", 4)]),
        step("approve", "approve", &[(Next, "", 2)]),
        step("end", "close", &[]),
        step("desk", "review", &[(Outcome, "accept", 1), (Outcome, "decline", 2)]),
        step("retry", "retry_from", &[(Again, "", 0), (UsedUp, "", 3)]),
    ];
    RevisionSource {
        policy: "p".to_owned(),
        revision: "r".to_owned(),
        files: BTreeMap::new(),
        first: 0,
        steps,
    }
}

fn taken(steps: &[(&str, Option<&str>)], now: Option<&str>) -> Taken {
    let steps = steps.iter().map(|(name, outcome)| (format!("at/{name}"), outcome.map(str::to_owned)));
    Taken { steps: steps.collect(), now: now.map(|name| format!("at/{name}")), note: None }
}

#[test]
fn every_step_is_drawn_once_and_referred_to_elsewhere() {
    let drawing = draw(&source(), &Taken::default());
    let boxes: Vec<Vec<&str>> = drawing
        .boxes
        .iter()
        .map(|block| block.lines.iter().map(|line| line.title.as_str()).collect())
        .collect();
    let expected: &[&[&str]] = &[
        &["proof: verify"],
        &["approve: approve", "end: close"],
        &["desk: review"],
        &["goes on with approve"],
        &["goes on with end"],
        &["retry: retry from"],
        &["goes on with proof"],
        &["goes on with desk"],
    ];
    assert_eq!(boxes, expected);
    let labels: Vec<&str> = drawing.ways.iter().map(|way| way.label.as_str()).collect();
    assert_eq!(labels, ["passed", "warning", "accept", "decline", "rejected", "again", "no tries left"]);
}

#[test]
fn boxes_do_not_cover_each_other_and_fit_the_picture() {
    let drawing = draw(&source(), &Taken::default());
    for (at, one) in drawing.boxes.iter().enumerate() {
        assert!(one.x + one.width <= drawing.width && one.y + one.height <= drawing.height, "{one:?}");
        for other in drawing.boxes.iter().skip(at + 1) {
            let beside = one.x + one.width <= other.x || other.x + other.width <= one.x;
            let above = one.y + one.height <= other.y || other.y + other.height <= one.y;
            assert!(beside || above, "{one:?} {other:?}");
        }
    }
}

#[test]
fn only_the_branch_that_a_case_took_is_lit() {
    for (done, now, lit) in [
        (&[][..], None, &[][..]),
        (&[], Some("proof"), &[]),
        (&[("proof", Some("warning"))], Some("desk"), &["warning"]),
        (&[("proof", Some("passed")), ("approve", None), ("end", None)], None, &["passed"]),
        (
            &[("proof", Some("warning")), ("desk", Some("accept")), ("approve", None)],
            Some("end"),
            &["warning", "accept"],
        ),
    ] {
        let drawing = draw(&source(), &taken(done, now));
        let ways: Vec<&str> =
            drawing.ways.iter().filter(|way| way.taken).map(|way| way.label.as_str()).collect();
        assert_eq!(ways, lit, "{done:?}");
    }
}

#[test]
fn the_list_says_every_step_with_its_ways() {
    let said = draw(&source(), &taken(&[("proof", Some("warning"))], Some("desk"))).said;
    for (at, sentence) in [
        (0, "Done. proof: verify. passed: approve; warning: desk; rejected: retry."),
        (2, "The case is here. desk: review. accept: approve; decline: end."),
    ] {
        assert_eq!(said.get(at).map(String::as_str), Some(sentence), "{said:#?}");
    }
    assert_eq!(said.len(), 5);
}
