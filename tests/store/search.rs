//! Lists and searches find the cases that match, each once, in pages of any size.

use proofd::case::{Case, State};
use proofd::model::{CaseState, Fields, Subject, SubjectKind};
use proofd::store::{CaseFilter, Store};
use serde_json::json;

use crate::support::{assert_sound, case, changed, closed, open};

/// A case of a person with a name and a mail address.
fn of(base: Case, source: &str, name: (&str, &str), email: &str) -> Case {
    let fields: Fields =
        json!({"first_name": name.0, "last_name": name.1, "email": email}).as_object().cloned().unwrap();
    let id = base.subject.id.clone();
    Case { subject: Subject { source: source.to_owned(), kind: SubjectKind::User, id, fields }, ..base }
}

fn in_shadow_of(base: Case, policy: &str) -> Case {
    Case { policy: policy.to_owned(), ..base }
}

fn ids(store: &Store, filter: &CaseFilter, limit: usize) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let (cases, next) = store.cases(filter, cursor.as_deref(), limit).unwrap();
        assert!(cases.len() <= limit);
        found.extend(cases.into_iter().map(|case| case.id.0));
        if next.is_none() {
            return found;
        }
        cursor = next;
    }
}

async fn filled(store: &Store) {
    let mut anna = of(case("c1234567", 10), "hr", ("Anna Maria", "Müller"), "anna@example.org");
    anna.sessions.insert("ex-9".to_owned(), "acc-9".to_owned());
    let cases = [
        anna,
        of(closed("c1234568", 20), "hr", ("Anna", "Lee"), "Lee@Example.org"),
        of(case("c2", 30), "okta", ("Lee", "Anna"), "lee@example.org"),
        in_shadow_of(of(closed("c3", 40), "hr", ("Bo", "Annan"), "bo@example.org"), "other"),
        in_shadow_of(of(case("c4", 50), "hr", ("Bo", "Lee"), "bo2@example.org"), "other"),
    ];
    for one in cases {
        store.commit(changed(one)).await.unwrap();
    }
}

#[tokio::test]
async fn a_filter_finds_its_cases_once_in_pages_of_any_size() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    filled(&store).await;
    let text = |text: &str| CaseFilter { text: Some(text.to_owned()), ..CaseFilter::default() };
    let subject = |id: &str| CaseFilter { subject: Some(id.to_owned()), ..CaseFilter::default() };
    let policy = |name: &str, open: Option<bool>| CaseFilter {
        policy: Some(name.to_owned()),
        open,
        ..CaseFilter::default()
    };
    let state = |state: CaseState| CaseFilter { state: Some(state), ..CaseFilter::default() };
    for (filter, expected) in [
        (CaseFilter::default(), &["c4", "c3", "c2", "c1234568", "c1234567"][..]),
        (CaseFilter { open: Some(true), ..CaseFilter::default() }, &["c4", "c2", "c1234567"]),
        (CaseFilter { open: Some(false), ..CaseFilter::default() }, &["c3", "c1234568"]),
        (policy("other", None), &["c4", "c3"]),
        (policy("other", Some(true)), &["c4"]),
        (policy("none", None), &[]),
        (state(CaseState::Closed), &["c3", "c1234568"]),
        (state(CaseState::Running), &["c4", "c2", "c1234567"]),
        (state(CaseState::InReview), &[]),
        // By the beginning of each word of the name, without accents and case.
        (text("muller"), &["c1234567"]),
        (text("MÜLLER anna"), &["c1234567"]),
        (text("maria"), &["c1234567"]),
        (text("anna lee"), &["c2", "c1234568"]),
        (text("annan"), &["c3"]),
        // By the matching term, then newest first; a person with several matching terms is listed once.
        (text("anna"), &["c2", "c1234568", "c1234567", "c3"]),
        (text("nna"), &[]),
        (text("LEE@example.org"), &["c2", "c1234568"]),
        (text("r-c1234567"), &["c1234567"]),
        (text("c12345"), &["c1234567", "c1234568"]),
        (text("c"), &["c1234567", "c1234568", "c2", "c3", "c4"]),
        (text("ex-9"), &["c1234567"]),
        (text("acc-9"), &["c1234567"]),
        (text(" "), &["c4", "c3", "c2", "c1234568", "c1234567"]),
        (CaseFilter { vendor: Some("acc-9".to_owned()), ..CaseFilter::default() }, &["c1234567"]),
        (CaseFilter { vendor: Some("acc".to_owned()), ..CaseFilter::default() }, &[]),
        (subject("r-c2"), &["c2"]),
        (subject("user/r-c2"), &["c2"]),
        (subject("okta/user/r-c2"), &["c2"]),
        (subject("okta/r-c2"), &["c2"]),
        (subject("hr/user/r-c2"), &[]),
        (subject("registration/r-c2"), &[]),
        (subject("r-c"), &[]),
        (CaseFilter { open: Some(true), ..text("lee") }, &["c2", "c4"]),
        (CaseFilter { policy: Some("other".to_owned()), ..text("lee") }, &["c4"]),
    ] {
        for limit in [1, 2, 3, 50] {
            assert_eq!(ids(&store, &filter, limit), expected, "{filter:?}, pages of {limit}");
        }
    }
    drop(store);
    assert_sound(dir.path());
}

#[tokio::test]
async fn a_renamed_person_and_a_closed_case_move_in_the_listings() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    filled(&store).await;
    let text = |text: &str| CaseFilter { text: Some(text.to_owned()), ..CaseFilter::default() };
    let mut one = of(case("c2", 30), "okta", ("Lea", "Annason"), "lea@example.org");
    one.state = State::Closed;
    store.commit(changed(one)).await.unwrap();
    assert_eq!(ids(&store, &text("annason"), 5), ["c2"]);
    assert_eq!(ids(&store, &text("lee anna"), 5), ["c1234568"]);
    let open = CaseFilter { open: Some(true), ..CaseFilter::default() };
    assert_eq!(ids(&store, &open, 5), ["c4", "c1234567"]);
}

#[tokio::test]
async fn people_with_one_mail_address_are_found_over_all_providers() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    filled(&store).await;
    for (mailbox, expected) in [
        ("lee@example.org", &["hr/user/r-c1234568", "okta/user/r-c2"][..]),
        ("bo@example.org", &["hr/user/r-c3"]),
        ("bo", &[]),
        ("nobody@example.org", &[]),
    ] {
        let mut people: Vec<_> =
            store.people_of_mailbox(mailbox).unwrap().iter().map(ToString::to_string).collect();
        people.sort_unstable();
        assert_eq!(people, expected, "{mailbox}");
    }
}
