//! The part of the page that lists people with an account, with actions of the person and an administrator.

use super::answer::{Answer, Ask, Handled, Refusal};
use super::control::{Edit, Login};
use super::tenant::{Actor, Tenant};
use super::user::{User, state, status};
use crate::simulate::page::{document, html};

/// Most rows of the list; a search by name finds the others.
const MOST: usize = 50;

pub(super) fn handle(tenant: &mut Tenant, ask: &Ask, rest: &[&str]) -> Handled {
    let id = rest.first().and_then(|id| id.parse::<i64>().ok()).unwrap_or(0);
    match (ask.method.as_str(), rest) {
        ("GET", []) => Ok(list(tenant, ask.param("find").unwrap_or(""))),
        ("GET", [_]) => one(tenant, id),
        ("POST", [_, action]) => {
            act(tenant, ask, id, action)?;
            let back =
                if tenant.users.contains_key(&id) { format!("/people/{id}") } else { "/people".into() };
            Ok(super::page::to(back))
        }
        _ => Err(Refusal::Html { code: 404 }),
    }
}

fn act(tenant: &mut Tenant, ask: &Ask, id: i64, action: &str) -> Result<(), Refusal> {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&ask.body).into_owned().collect();
    let field = |name: &str| {
        form.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim()).filter(|it| !it.is_empty())
    };
    let role = || field("role").and_then(|role| role.parse::<i64>().ok()).unwrap_or(0);
    match action {
        "login" => {
            let login = Login {
                failed: field("failed").is_some(),
                risk_score: field("risk_score").and_then(|score| score.parse().ok()),
                risk_reasons: field("risk_reasons").map(str::to_owned),
                ipaddr: field("ipaddr").map(str::to_owned),
            };
            tenant.login(id, login);
        }
        "grant" => tenant.grant(id, role(), Actor::Human),
        "revoke" => tenant.revoke(id, role(), Actor::Human),
        "edit" => {
            let mut edit = Edit { title: field("title").map(str::to_owned), ..Edit::default() };
            edit.department = field("department").map(str::to_owned);
            let custom = form.iter().filter_map(|(key, value)| {
                Some((key.strip_prefix("custom_attributes.")?.to_owned(), value.trim().to_owned()))
            });
            edit.custom_attributes = custom.collect();
            tenant.edit(id, &edit)?;
        }
        other => {
            tenant.human(id, other)?;
        }
    }
    Ok(())
}

fn list(tenant: &Tenant, find: &str) -> Answer {
    let wanted = find.to_lowercase();
    let fits = |user: &&User| {
        user.name().to_lowercase().contains(&wanted) || user.email.to_lowercase().contains(&wanted)
    };
    let rows: String = tenant
        .users
        .values()
        .filter(|user| !user.hidden)
        .filter(fits)
        .take(MOST)
        .map(|user| {
            format!(
                "<tr><td><a href=\"/people/{0}\">{0}</a></td><td>{1}</td><td>{2}</td><td>{3}</td><td>{4}</td></tr>",
                user.id,
                html(&user.name()),
                html(&user.email),
                status::word(user.status),
                state::word(user.state)
            )
        })
        .collect();
    let body = format!(
        "<p><a href=\"/\">Registrations</a></p><form action=\"/people\"><label>Name or e-mail \
         <input name=\"find\" value=\"{}\"></label><button>find</button></form>\
         <p>The first {MOST} of {} people.</p><table><tr><th>No.</th><th>Name</th><th>E-mail</th><th>Status</th>\
         <th>State</th></tr>{rows}</table>",
        html(find),
        tenant.users.len()
    );
    Answer::html(200, document("People", &body))
}

fn one(tenant: &Tenant, id: i64) -> Handled {
    let user = tenant.users.get(&id).ok_or(Refusal::Html { code: 404 })?;
    let form = |action: &str, fields: &str, text: &str| {
        format!(
            "<p><form method=\"post\" action=\"/people/{id}/{action}\">{fields} <button>{text}</button></form></p>"
        )
    };
    let role = |held: bool| -> String {
        let options = tenant.roles.values().filter(|role| user.roles.contains(&role.id) == held);
        let options =
            options.map(|role| format!("<option value=\"{}\">{}</option>", role.id, html(&role.name)));
        format!("<select name=\"role\">{}</select>", options.collect::<String>())
    };
    let names = user.roles.iter().filter_map(|id| tenant.roles.get(id)).map(|role| html(&role.name));
    let mut body = format!(
        "<p><a href=\"/people\">People</a></p><p>{}, {}, {}, {} open session(s), roles: {}</p>",
        html(&user.email),
        state::word(user.state),
        status::word(user.status),
        user.sessions,
        names.collect::<Vec<_>>().join(", ")
    );
    body += "<h2>As this person</h2>";
    body += &form(
        "login",
        "<label>Risk score <input name=\"risk_score\" type=\"number\" min=\"0\" max=\"100\"></label>\
         <label>Risk reasons <input name=\"risk_reasons\" size=\"60\" \
         value=\"Accessed from a new IP address, New device\"></label>\
         <label><input type=\"checkbox\" name=\"failed\"> with a wrong password</label>",
        "log in",
    );
    body += &form("logout", "", "log out");
    body += "<h2>As an administrator</h2>";
    body += &form("grant", &role(false), "give this role");
    body += &form("revoke", &role(true), "take this role");
    for (action, text) in [
        ("suspend", "suspend"),
        ("reactivate", "reactivate"),
        ("lock", "lock"),
        ("unlock", "unlock"),
        ("delete", "delete"),
    ] {
        body += &form(action, "", text);
    }
    let plain = ["title", "department"].map(|key| (key.to_owned(), key, user.plain.get(key)));
    let custom =
        tenant.shortnames().map(|key| (format!("custom_attributes.{key}"), key, user.attributes.get(key)));
    let fields: String = plain
        .into_iter()
        .chain(custom)
        .map(|(name, label, value)| {
            let value = value.and_then(|value| value.as_str()).unwrap_or("");
            let (name, label, value) = (html(&name), html(label), html(value));
            format!("<label>{label} <input name=\"{name}\" value=\"{value}\"></label>")
        })
        .collect();
    body += &form("edit", &fields, "change");
    Ok(Answer::html(200, document(&html(&user.name()), &body)))
}
