//! A page for people: play the applicant and see the result. No script, forms only.

use super::answer::{Answer, Ask, Content, Handled, Refusal};
use super::page_people;
use super::registration::{Form, Stage};
use super::tenant::Tenant;
use super::user::{state, status};
use crate::simulate::page::{document, html, table};

pub(super) fn handle(tenant: &mut Tenant, ask: &Ask, segments: &[&str]) -> Handled {
    let id = segments.get(2).and_then(|id| id.parse::<i64>().ok()).unwrap_or(0);
    match (ask.method.as_str(), segments) {
        ("GET", []) => Ok(overview(tenant)),
        (_, ["people", rest @ ..]) => page_people::handle(tenant, ask, rest),
        ("GET", ["self_registration"]) => form(tenant, ask.param("name"), ""),
        ("POST", ["self_registration"]) => submit(tenant, ask),
        ("POST", ["play", "verify", _]) => {
            tenant.verify_email(id)?;
            Ok(back())
        }
        ("POST", ["play", action @ ("approve" | "reject" | "delete" | "activate"), _]) => {
            tenant.human(id, action)?;
            Ok(back())
        }
        _ => Err(Refusal::Html { code: 404 }),
    }
}

fn back() -> Answer {
    to("/".into())
}

pub(super) fn to(location: String) -> Answer {
    Answer { code: 303, headers: vec![("location", location)], content: Content::None }
}

fn button(action: &str, id: i64, text: &str) -> String {
    format!("<form method=\"post\" action=\"/play/{action}/{id}\"><button>{text}</button></form> ")
}

fn overview(tenant: &Tenant) -> Answer {
    let forms: String = tenant
        .profiles
        .values()
        .map(|profile| {
            let (slug, name) = (html(profile.text("url")), html(profile.text("name")));
            format!("<li><a href=\"/self_registration?name={slug}\">{name}</a></li>")
        })
        .collect();
    let mut rows = String::new();
    for one in tenant.registrations.values().rev() {
        let user = one.user_id.and_then(|id| tenant.users.get(&id));
        let id = one.user_id.unwrap_or(0);
        let stage = if one.deleted { "deleted" } else { one.stage.word() };
        let account = user.map_or("no account".to_owned(), |user| {
            let roles =
                user.roles.iter().filter_map(|id| tenant.roles.get(id)).map(|role| role.name.as_str());
            let roles = roles.collect::<Vec<_>>().join(", ");
            let invited = match user.invitations_sent {
                0 => "not invited".to_owned(),
                1 => "invited".to_owned(),
                more => format!("invited {more} times"),
            };
            let roles = if roles.is_empty() { String::new() } else { format!(", roles: {roles}") };
            format!("{}, {}, {invited}{roles}", state::word(user.state), status::word(user.status))
        });
        let mut buttons = String::new();
        if !one.deleted && one.stage == Stage::NotVerified {
            buttons += &button("verify", one.id, "verify my e-mail");
        }
        if let Some(user) = user {
            if user.state == state::APPROVED && user.status == status::PASSWORD_PENDING {
                buttons += &button("activate", id, "accept my invitation");
            }
            if user.state == state::UNAPPROVED {
                buttons += &button("approve", id, "approve as administrator");
                buttons += &button("reject", id, "reject as administrator");
            }
            buttons += &button("delete", id, "delete as administrator");
        }
        rows += &format!(
            "<tr><td>{}</td><td>{} {}</td><td>{}</td><td>{stage}</td><td>{}</td><td>{buttons}</td></tr>",
            one.id,
            html(&one.form.firstname),
            html(&one.form.lastname),
            html(&one.form.email),
            html(&account)
        );
    }
    let body = format!(
        "<p>An identity provider with a sign-up form, accounts and roles. Sign up as an applicant:</p><ul>{forms}</ul>\
         <p>Or play one of the <a href=\"/people\">people</a> with an account.</p><h2>Registrations</h2>\
         {}",
        table(&["No.", "Name", "E-mail", "Registration", "Account", ""], &rows, "Nobody has signed up yet.",)
    );
    Answer::html(200, document("Simulated OneLogin", &body))
}

fn form(tenant: &Tenant, slug: Option<&str>, complaint: &str) -> Handled {
    let named = |slug: &str| tenant.profiles.values().find(|one| one.text("url") == slug);
    let profile = slug.and_then(named).filter(|one| one.flag("enabled"));
    let profile = profile.ok_or(Refusal::Html { code: 404 })?;
    let extra: String = profile
        .fields
        .iter()
        .filter_map(|(_, attribute)| tenant.attributes.get(attribute))
        .map(|one| {
            let (name, key) = (html(&one.name), html(&one.shortname));
            format!("<label>{name} <input name=\"custom_attributes.{key}\"></label>")
        })
        .collect();
    let complaint =
        if complaint.is_empty() { String::new() } else { format!("<p><b>{}</b></p>", html(complaint)) };
    let body = format!(
        "{complaint}<p>{}</p><form method=\"post\" action=\"/self_registration?name={}\">\
         <label>First name <input name=\"firstname\" required></label>\
         <label>Last name <input name=\"lastname\" required></label>\
         <label>E-mail <input name=\"email\" type=\"email\" required></label>{extra}<button>Sign up</button></form>",
        html(profile.text("helptext")),
        html(profile.text("url"))
    );
    Ok(Answer::html(200, document(&html(profile.text("name")), &body)))
}

fn submit(tenant: &mut Tenant, ask: &Ask) -> Handled {
    let mut sent = Form { profile: ask.param("name").map(str::to_owned), ..Form::default() };
    for (key, value) in url::form_urlencoded::parse(&ask.body).into_owned() {
        match key.as_str() {
            "firstname" => sent.firstname = value,
            "lastname" => sent.lastname = value,
            "email" => sent.email = value,
            other => {
                if let Some(name) = other.strip_prefix("custom_attributes.") {
                    sent.custom_attributes.insert(name.to_owned(), value);
                }
            }
        }
    }
    match tenant.register(sent) {
        Ok(registered) => {
            let thanks = ask
                .param("name")
                .and_then(|slug| tenant.profiles.values().find(|one| one.text("url") == slug))
                .map(|one| html(one.text("thankyou_message")))
                .unwrap_or_default();
            let body = format!(
                "<p>{thanks}</p><p>We have sent you a mail. {}</p><p><a href=\"/\">Overview</a></p>",
                button("verify", registered.registration_id, "verify my e-mail")
            );
            Ok(Answer::html(200, document("Thank you", &body)))
        }
        Err(Refusal::Control { message, .. }) => {
            let mut answer = form(tenant, ask.param("name"), &message)?;
            answer.code = 422;
            Ok(answer)
        }
        Err(other) => Err(other),
    }
}
