//! The parameters of an authorization request, in both dialects. Pure.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde_json::{Map, Value, json};

use super::derived::{Deriver, Use, challenge};
use super::options::{Accept, Dialect, Names, Options};
use crate::model::{Failure, StartSession};

/// Our names of registered fields, and the claims of the same content.
const CLAIMS: [(&str, &str); 6] = [
    ("first_name", "given_name"),
    ("last_name", "family_name"),
    ("middle_name", "middle_name"),
    ("date_of_birth", "birthdate"),
    ("email", "email"),
    ("phone", "phone_number"),
];

const NAMES: [&str; 3] = ["given_name", "family_name", "middle_name"];

/// Returns the parameters without those that prove the client.
pub(super) fn parameters(
    options: &Options,
    deriver: &Deriver,
    redirect: &str,
    start: &StartSession,
) -> Result<Vec<(&'static str, String)>, Failure> {
    if start.require.is_empty() {
        return Err(Failure::refused(
            "nothing is required of the provider, so nothing would tie its result to the person; add \
                `require` to the verification in verifications.yaml",
        ));
    }
    let wanted = claims(options.dialect, &options.accept, options.names, &start.require, &start.registered);
    let secret = |of| deriver.secret(of, &start.reference);
    let mut parameters = vec![
        ("response_type", "code".to_owned()),
        ("client_id", options.client_id.clone()),
        ("redirect_uri", redirect.to_owned()),
        ("scope", scope(options, &start.workflow)),
        ("state", secret(Use::State)),
        ("nonce", secret(Use::Nonce)),
        ("code_challenge", challenge(&secret(Use::Verifier))),
        ("code_challenge_method", "S256".to_owned()),
        ("claims", wanted.to_string()),
        ("login_hint", start.person.clone()),
    ];
    if !options.acr_values.is_empty() {
        parameters.push(("acr_values", options.acr_values.join(" ")));
    }
    parameters.extend(options.prompt.iter().map(|prompt| ("prompt", prompt.clone())));
    parameters.extend(options.max_age.iter().map(|age| ("max_age", age.to_string())));
    parameters.extend(start.locale.iter().map(|locale| ("ui_locales", locale.clone())));
    Ok(parameters)
}

fn scope(options: &Options, workflow: &str) -> String {
    let usual: &[&str] = match options.dialect {
        Dialect::Okta => &["openid", "profile", "identity_assurance"],
        Dialect::Ida => &["openid"],
    };
    let usual = || usual.iter().map(|scope| (*scope).to_owned()).collect();
    let mut scopes: Vec<String> = options.scopes.clone().unwrap_or_else(usual);
    for scope in ["openid", workflow] {
        if !scopes.iter().any(|other| other == scope) {
            scopes.push(scope.to_owned());
        }
    }
    scopes.join(" ")
}

/// Returns the `claims` parameter.
pub fn claims(
    dialect: Dialect,
    accept: &Accept,
    names: Names,
    require: &[String],
    registered: &BTreeMap<String, String>,
) -> Value {
    match dialect {
        Dialect::Okta => {
            let only = |values: &[String]| json!({"value": values.first(), "essential": true});
            let claim = |name: &String| {
                let value = value(name, registered).map_or(Value::Null, |value| {
                    match NAMES.contains(&name.as_str()) {
                        true => json!({"value": value, "fuzzy": names == Names::Fuzzy}),
                        false => json!({"value": value}),
                    }
                });
                (name.clone(), value)
            };
            let claims: Map<String, Value> = require.iter().map(claim).collect();
            json!({"id_token": {"verified_claims": [{
                "verification": {
                    "trust_framework": only(&accept.trust_framework),
                    "assurance_level": only(&accept.assurance_level),
                },
                "claims": claims,
            }]}})
        }
        Dialect::Ida => {
            let one_of = |values: &[String]| match values {
                [one] => json!({"value": one}),
                several => json!({"values": several}),
            };
            let age = accept.max_age.and_then(crate::model::Span::elapsed);
            let mut verification = Map::new();
            verification.insert("trust_framework".to_owned(), one_of(&accept.trust_framework));
            if !accept.assurance_level.is_empty() {
                verification.insert("assurance_level".to_owned(), one_of(&accept.assurance_level));
            }
            let time = age.map_or(Value::Null, |age| json!({"max_age": age.num_seconds()}));
            verification.insert("time".to_owned(), time);
            // A value would be a condition: the provider would leave out the whole answer.
            let claims: Map<String, Value> = require.iter().map(|name| (name.clone(), Value::Null)).collect();
            json!({"id_token": {"verified_claims": {"verification": verification, "claims": claims}}})
        }
    }
}

fn value<'a>(claim: &str, registered: &'a BTreeMap<String, String>) -> Option<&'a str> {
    let (field, _) = CLAIMS.iter().find(|(_, name)| *name == claim)?;
    let value = registered.get(*field)?.as_str();
    // Any other form of a date would be compared with this one as a text.
    (claim != "birthdate" || value.parse::<NaiveDate>().is_ok()).then_some(value)
}
