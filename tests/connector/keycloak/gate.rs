//! The gate of the example realm, whole and with each gap: the lines of its flows are data.

use std::collections::BTreeMap;

use proofd::connectors::keycloak::gate::{Gate, Way};
use proofd::connectors::keycloak::wire::{Execution, Group, IdentityProviderLink};

use super::read;

fn whole() -> Gate {
    let flows: BTreeMap<String, Vec<Execution>> = serde_json::from_value(read("flows.json")).unwrap();
    let configs = flows.values().flat_map(|lines| Gate::wanted_configs(lines));
    let config = BTreeMap::from([("condUserRole", "proofd-pending"), ("negate", "false")]);
    let config: BTreeMap<_, _> =
        config.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let way = |name: &str, flow: &str| Way::new(name, Some(flow.to_owned()));
    Gate {
        path: "/proofd-pending".to_owned(),
        group: Some(Group {
            id: "g".to_owned(),
            path: "/proofd-pending".to_owned(),
            parent_id: None,
            realm_roles: vec!["proofd-pending".to_owned()],
        }),
        default_groups: vec!["other".to_owned(), "g".to_owned()],
        ways: vec![
            way("the browser flow", "proofd browser"),
            way("the registration flow", "proofd registration"),
            way("the direct grant flow", "proofd direct grant"),
            way("the reset credentials flow", "proofd reset credentials"),
            way("the post login flow", "proofd post login"),
        ],
        configs: configs.map(|id| (id.clone(), config.clone())).collect(),
        flows: flows.clone(),
    }
}

type Edit = fn(&mut Gate);

fn line<'a>(gate: &'a mut Gate, name: &str) -> &'a mut Execution {
    let lines = gate.flows.get_mut("proofd browser").unwrap();
    lines.iter_mut().find(|line| line.display_name.as_deref() == Some(name)).unwrap()
}

fn lines(gate: &mut Gate) -> &mut Vec<Execution> {
    gate.flows.get_mut("proofd browser").unwrap()
}

fn set(gate: &mut Gate, key: &str, value: &str) {
    for config in gate.configs.values_mut() {
        config.insert(key.to_owned(), value.to_owned());
    }
}

fn top(provider: &str, requirement: &str) -> Execution {
    Execution {
        requirement: requirement.to_owned(),
        provider_id: Some(provider.to_owned()),
        ..Execution::default()
    }
}

fn inner(provider: &str, requirement: &str) -> Execution {
    Execution { level: 1, ..top(provider, requirement) }
}

const GAPS: &[(&str, Edit)] = &[
    ("the realm has no group /proofd-pending", |gate| gate.group = None),
    ("is no default group", |gate| gate.default_groups.clear()),
    ("carries no realm role", |gate| gate.group.as_mut().unwrap().realm_roles.clear()),
    ("does not ask for the role somebody-renamed-it", |gate| {
        gate.group.as_mut().unwrap().realm_roles = vec!["somebody-renamed-it".to_owned()];
    }),
    ("does not ask for the role", |gate| set(gate, "condUserRole", "proofd-pendng")),
    ("does not ask for the role", |gate| set(gate, "negate", "true")),
    ("does not ask for the role", |gate| gate.configs.clear()),
    ("does not ask for the role", |gate| line(gate, "Condition - user role").authentication_config = None),
    ("has no condition for the pending role", |gate| {
        line(gate, "Condition - user role").requirement = "DISABLED".to_owned();
    }),
    ("does not deny access", |gate| line(gate, "Deny access").requirement = "DISABLED".to_owned()),
    ("does not end with the gate", |gate| {
        line(gate, "proofd gate browser").requirement = "DISABLED".to_owned()
    }),
    ("does not end with the gate", |gate| {
        line(gate, "proofd gate browser").requirement = "REQUIRED".to_owned()
    }),
    ("does not end with the gate", |gate| lines(gate).push(top("auth-cookie", "REQUIRED"))),
    ("has an alternative beside the gate", |gate| {
        line(gate, "proofd ways in").requirement = "ALTERNATIVE".to_owned();
    }),
    ("has a second condition", |gate| lines(gate).push(inner("conditional-user-attribute", "REQUIRED"))),
    ("does something else before it refuses", |gate| {
        let at =
            lines(gate).iter().position(|line| line.display_name.as_deref() == Some("Deny access")).unwrap();
        lines(gate).insert(at, inner("allow-access-authenticator", "REQUIRED"));
    }),
    ("which is empty", |gate| lines(gate).clear()),
    ("which does not exist", |gate| {
        gate.flows.remove("proofd browser");
    }),
    ("the browser flow is not set", |gate| gate.ways[0].flow = None),
    ("the post login flow of the identity provider google is not set", |gate| {
        let provider = r#"{"alias": "google", "postBrokerLoginFlowAlias": ""}"#;
        let provider: IdentityProviderLink = serde_json::from_str(provider).unwrap();
        gate.ways.push(Way::through(&provider));
    }),
];

#[test]
fn each_gap_of_the_gate_is_reported() {
    assert_eq!(whole().gaps(), Vec::<String>::new());
    for (number, (says, edit)) in GAPS.iter().enumerate() {
        let mut gate = whole();
        edit(&mut gate);
        let gaps = gate.gaps();
        assert!(gaps.iter().any(|gap| gap.contains(says)), "row {number}, {says}: {gaps:?}");
    }
}

/// Settings that look other than the example and are as safe.
#[test]
fn equivalent_gates_are_accepted() {
    const SAFE: &[Edit] = &[
        |gate| lines(gate).push(top("auth-cookie", "DISABLED")),
        |gate| lines(gate).push(inner("conditional-user-attribute", "DISABLED")),
        |gate| lines(gate).insert(0, top("auth-spnego", "DISABLED")),
        |gate| gate.group.as_mut().unwrap().realm_roles.push("another".to_owned()),
        |gate| gate.configs.values_mut().for_each(|config| drop(config.remove("negate"))),
    ];
    for (number, edit) in SAFE.iter().enumerate() {
        let mut gate = whole();
        edit(&mut gate);
        assert_eq!(gate.gaps(), Vec::<String>::new(), "row {number}");
    }
}
