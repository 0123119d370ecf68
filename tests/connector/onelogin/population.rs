//! Reads the whole population page by page while the list changes.

use std::collections::BTreeMap;

use proofd::connectors::IdentityProvider as _;
use proofd::model::{FailureKind, Subject};
use proofd::simulate::onelogin::{Ages, Crowd, Knobs, Simulator};
use serde_json::Value;

use super::tenant::Tenant;

fn crowd(count: u32) -> Crowd {
    Crowd {
        count,
        roles: vec!["Default".into(), "Staff".into(), "Payments".into()],
        moments: BTreeMap::from([("idv_verified_at".into(), Ages { days: 200, without_percent: 20 })]),
        ..Crowd::default()
    }
}

/// Reads everyone and calls `meanwhile` after each page with its number. Returns the page count and the people.
async fn read(
    tenant: &Tenant,
    mut meanwhile: impl FnMut(&Simulator, usize),
) -> (usize, BTreeMap<String, Subject>) {
    let (mut pages, mut cursor, mut seen) = (0, None, BTreeMap::new());
    loop {
        let page = tenant.onelogin.population(cursor.as_deref()).await.unwrap();
        seen.extend(page.people.into_iter().map(|subject| (subject.id.clone(), subject)));
        pages += 1;
        cursor = page.next;
        if cursor.is_none() {
            return (pages, seen);
        }
        meanwhile(&tenant.simulator, pages);
    }
}

#[tokio::test]
async fn listed_people_equal_individually_read_people() {
    let tenant = Tenant::new(|_| {}).await;
    let ids = tenant.simulator.gather(&crowd(230));
    let waiting = tenant.applicant().user_id.unwrap();
    let (pages, seen) = read(&tenant, |_, _| {}).await;
    assert_eq!((pages, seen.len()), (3, 230));
    assert!(!seen.contains_key(&waiting.to_string()), "who waits for approval has no account");
    assert_eq!(tenant.onelogin.population_size().await.unwrap(), 231);
    for id in [ids[0], ids[1], ids[100], ids[229]] {
        let mut one = tenant.user(id).await;
        assert!(id == ids[0] || one.fields.insert("manager".into(), Value::Null).is_some());
        let custom = |subject: &mut Subject| subject.fields.remove("attributes");
        let mut listed = seen[&id.to_string()].clone();
        assert_eq!(custom(&mut listed), custom(&mut one));
        one.fields.insert("manager".into(), Value::Null);
        assert_eq!(listed.fields, one.fields);
    }
    assert_eq!(tenant.requests("GET /api/2/roles").await, 1, "names of roles are read once");
    let verified = seen.values().filter(|one| one.text("verified_at").is_some()).count();
    assert!((150..220).contains(&verified), "{verified}");
}

/// A person in the list from the first page to the last is returned, whatever other rows change.
#[tokio::test]
async fn a_changing_list_returns_everyone_who_stays_in_it() {
    type Row = (&'static str, fn(&mut Knobs), fn(&Simulator, &[i64], usize));
    let rows: [Row; 6] = [
        ("nothing moves", |_| {}, |_, _, _| {}),
        (
            "a few go after each page",
            |_| {},
            |tenant, ids, page| {
                ids[(page - 1) * 7..page * 7].iter().for_each(|id| tenant.delete(*id).unwrap());
            },
        ),
        (
            "many go at once",
            |_| {},
            |tenant, ids, page| {
                if page == 2 {
                    ids[..120].iter().for_each(|id| tenant.delete(*id).unwrap());
                }
            },
        ),
        (
            "the last that were read go",
            |_| {},
            |tenant, ids, page| {
                if page == 1 {
                    ids[80..100].iter().for_each(|id| tenant.delete(*id).unwrap());
                }
            },
        ),
        (
            "others come",
            |_| {},
            |tenant, _, page| {
                if page < 4 {
                    tenant.seed_users(30);
                }
            },
        ),
        (
            "no order, no count",
            |knobs| (knobs.sorts_by_id, knobs.total_count) = (false, false),
            |tenant, ids, page| {
                if page < 9 {
                    tenant.delete(ids[page]).unwrap();
                }
            },
        ),
    ];
    for (name, turn, meanwhile) in rows {
        let tenant = Tenant::new(turn).await;
        let ids = tenant.simulator.gather(&crowd(430));
        let (_, seen) = read(&tenant, |simulator, page| meanwhile(simulator, &ids, page)).await;
        for id in ids {
            let there = tenant.simulator.user(id).is_some();
            assert!(!there || seen.contains_key(&id.to_string()), "{name}: {id} was hidden");
        }
    }
}

/// A list that ends at the end of a page, an empty list, and a list without a count.
#[tokio::test]
async fn lists_of_every_length_end() {
    for count in [0, 1, 99, 100, 101, 190, 200] {
        for total_count in [true, false] {
            let tenant = Tenant::new(|knobs| knobs.total_count = total_count).await;
            tenant.simulator.gather(&crowd(count));
            let (_, seen) = read(&tenant, |_, _| {}).await;
            let size = tenant.onelogin.population_size().await.unwrap();
            assert_eq!((seen.len() as u64, size), (u64::from(count), u64::from(count)), "{total_count}");
        }
    }
}

#[tokio::test]
async fn an_invalid_cursor_is_refused_and_an_outage_is_unavailable() {
    let tenant = Tenant::new(|_| {}).await;
    let failure = tenant.onelogin.population(Some("page 3")).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused);
    tenant.simulator.turn(|knobs| knobs.credential_orphaned = true);
    for failure in [
        tenant.onelogin.population(None).await.map(drop).unwrap_err(),
        tenant.onelogin.population_size().await.map(drop).unwrap_err(),
    ] {
        assert_eq!(failure.kind, FailureKind::Unavailable);
    }
}
