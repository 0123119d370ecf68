//! Every page with every role, as a table.

use std::collections::BTreeMap;
use std::path::Path;

use proofd::console;
use proofd::http::Needs;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::client::Client;
use crate::world::World;
use crate::world::people::other_name;

/// The tokens of the columns.
const ROLES: [&str; 8] =
    ["t-viewer", "t-desk", "t-author", "t-operator", "t-admin", "t-privacy", "t-source", "t-raw"];

/// The rows: method and path, with the cells.
fn rows() -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string("tests/data/console/matrix.txt").unwrap();
    let lines = text.lines().filter(|line| line.starts_with("GET ") || line.starts_with("POST "));
    let row = |line: &str| {
        let (page, cells) = line.split_once('|').unwrap();
        (page.trim().to_owned(), cells.split_whitespace().map(str::to_owned).collect())
    };
    lines.map(row).collect()
}

#[test]
fn the_matrix_has_every_page_with_its_roles() {
    let rows = rows();
    let routes = console::pages().unwrap().routes();
    let names: Vec<String> = routes.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    let (mut listed, mut served) = (rows.keys().cloned().collect::<Vec<_>>(), names.clone());
    listed.sort();
    served.sort();
    assert_eq!(listed, served, "tests/data/console/matrix.txt and the pages differ");
    for (route, name) in routes.iter().zip(names) {
        let open = rows[&name] == ["open"];
        assert_eq!(open, !matches!(route.needs, Needs::Page(_)), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_shown_to_the_roles_of_the_matrix_only() {
    let mut world = World::new(60, Path::new("policies"), "").await;
    world.town.jumio.turn(|knobs| knobs.rate_limits = false);
    world.start();
    let ada = world.registers("Ada");
    world.goes_through(&ada, other_name()).await;
    let sheet = world.until_state(&ada, "in_review").await;
    let mut wrong = Vec::new();
    for (row, cells) in rows().iter().filter(|(_, cells)| cells.as_slice() != ["open"]) {
        assert_eq!(cells.len(), ROLES.len(), "{row}");
        let (method, path) = row.split_once(' ').unwrap();
        let path = at(path, &sheet);
        let method: Method = method.parse().unwrap();
        let mut nobody = Client::new(&world);
        let page = nobody.send(method.clone(), &path, &[], &[]).await;
        let expected = if method == Method::GET { StatusCode::SEE_OTHER } else { StatusCode::UNAUTHORIZED };
        if page.status != expected || (method == Method::GET && !page.goes().starts_with("/login")) {
            wrong.push(format!("{row} without a session: {}", page.status));
        }
        for (role, cell) in ROLES.iter().zip(cells) {
            let mut client = Client::signed_in(&world, role).await;
            let key = client.get("/no-such-page").await;
            let key = client
                .send(Method::GET, "/no-such-page", &[], &[("accept", "text/html")])
                .await
                .field("form_key")
                .or(key.field("form_key"))
                .unwrap();
            let page = client.send(method.clone(), &path, &[("form_key", &key)], &[]).await;
            let passes = page.status != StatusCode::FORBIDDEN && !page.status.is_server_error();
            if passes != (cell == "yes") || page.status == StatusCode::UNAUTHORIZED {
                wrong.push(format!("{row} as {role}: {} instead of {cell}", page.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A path with the ids of a case.
fn at(path: &str, sheet: &Value) -> String {
    let id = |value: &Value| value.as_str().unwrap().to_owned();
    path.replace("{id}", &id(&sheet["id"]))
        .replace("{subject}", &id(&sheet["subject"]["id"]))
        .replace("{name}", &id(&sheet["policy"]))
}
