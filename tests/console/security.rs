//! What another site, another person or a text in a form can not do.

use std::path::Path;

use reqwest::{Method, StatusCode};

use crate::client::Client;
use crate::world::people::other_name;
use crate::world::{World, token};

async fn world() -> World {
    let mut world = World::new(60, Path::new("policies"), "").await;
    world.town.jumio.turn(|knobs| knobs.rate_limits = false);
    world.start();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_has_secrets_of_its_own_and_ends() {
    let world = world().await;
    // A cookie that somebody planted before the sign-in is not the session's after it.
    let mut dana = Client::new(&world);
    dana.cookies.insert("proofd_session".to_owned(), "planted".to_owned());
    dana.post("/login", &[("token", &token("t-admin"))]).await;
    let first = dana.cookies["proofd_session"].clone();
    assert_ne!(first, "planted");
    // Another sign-in in the same browser ends the first session.
    let mut thief = Client::new(&world);
    thief.cookies.insert("proofd_session".to_owned(), first.clone());
    assert_eq!(thief.get("/cases").await.status, StatusCode::OK);
    dana.post("/login", &[("token", &token("t-admin"))]).await;
    assert_ne!(dana.cookies["proofd_session"], first);
    assert_eq!(thief.get("/cases").await.goes(), "/login?next=%2Fcases");
    // Signing out ends it at the daemon, not only in the browser.
    thief.cookies.clone_from(&dana.cookies);
    let out = dana.submit("/cases", "/logout", &[]).await;
    assert_eq!((out.status, out.goes(), dana.cookies.len()), (StatusCode::SEE_OTHER, "/login", 0));
    assert_eq!(thief.get("/cases").await.goes(), "/login?next=%2Fcases");
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_are_bound_to_the_host_where_the_browser_uses_https() {
    let world = world().await;
    for (forwarded, name, secure) in [("http", "proofd_session", false), ("https", "__Host-proofd", true)] {
        let mut client = Client::new(&world);
        let headers = [("x-forwarded-proto", forwarded)];
        let token = token("t-admin");
        let page = client.send(Method::POST, "/login", &[("token", &token)], &headers).await;
        let set = page.headers["set-cookie"].to_str().unwrap();
        assert!(set.starts_with(&format!("{name}=")), "{set}");
        assert!(set.contains("; HttpOnly; SameSite=Strict") && set.contains("; Path=/;"), "{set}");
        assert_eq!(set.contains("; Secure"), secure, "{set}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_needs_our_origin_and_the_secret_of_its_session() {
    let world = world().await;
    let mut dana = Client::signed_in(&world, "t-admin").await;
    let own = dana.get("/cases").await.field("form_key").unwrap();
    let other = Client::signed_in(&world, "t-viewer").await.get("/cases").await.field("form_key").unwrap();
    let ours = world.url.clone();
    for (origin, key, more, accepted) in [
        (Some(ours.as_str()), own.as_str(), &[][..], true),
        (None, &own, &[("sec-fetch-site", "same-origin")], true),
        (None, &own, &[], false),
        (Some("https://evil.example"), &own, &[], false),
        (Some("null"), &own, &[], false),
        (Some(&ours), &own, &[("sec-fetch-site", "cross-site")], false),
        (Some(&ours), &other, &[], false),
        (Some(&ours), "", &[], false),
        (Some(&ours), "guessed", &[], false),
    ] {
        dana.origin = origin.map(str::to_owned);
        let fields = [("form_key", key), ("theme", "dark")];
        let page = dana.send(Method::POST, "/theme", &fields, more).await;
        let expected = if accepted { StatusCode::SEE_OTHER } else { StatusCode::FORBIDDEN };
        assert_eq!(page.status, expected, "{origin:?} {key} {more:?}");
    }
    // A sign-in from a foreign page would put the person into somebody else's session.
    let mut client = Client::new(&world);
    client.origin = Some("https://evil.example".to_owned());
    let page = client.post("/login", &[("token", &token("t-admin"))]).await;
    assert_eq!((page.status, client.cookies.len()), (StatusCode::FORBIDDEN, 0));
    // The API takes no cookie.
    dana.origin = Some(ours);
    assert_eq!(dana.get("/v1/cases").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_can_be_framed_and_none_loads_from_elsewhere() {
    let world = world().await;
    let mut dana = Client::signed_in(&world, "t-admin").await;
    for path in ["/cases", "/login", "/no-such-page"] {
        let page = dana.send(Method::GET, path, &[], &[("accept", "text/html")]).await;
        let header =
            |name: &str| page.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
        let policy = header("content-security-policy");
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"]
        {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(header("x-frame-options"), "DENY", "{path}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
        for elsewhere in ["src=\"http", "href=\"http", "src=\"//", "<script>", " style=\"", " onclick="] {
            assert!(!page.text.contains(elsewhere), "{path} has {elsewhere}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_leads_to_no_other_site() {
    let world = world().await;
    for (next, goes) in [
        ("/cases?state=stuck", "/cases?state=stuck"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("/\t/evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
    ] {
        let mut client = Client::new(&world);
        let page = client.post("/login", &[("token", &token("t-admin")), ("next", next)]).await;
        assert_eq!((page.status, page.goes()), (StatusCode::SEE_OTHER, goes), "{next:?}");
        // Somebody who is signed in already is led on by the same rule.
        let next: String = url_encoded(next);
        assert_eq!(client.get(&format!("/login?next={next}")).await.goes(), goes, "{next:?}");
    }
}

fn url_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_with_markup_in_the_name_is_shown_as_text() {
    let world = world().await;
    let name = "<img src=x onerror=alert(1)>";
    world.registers(name);
    world.until("the case", async |world| world.cases().await.into_iter().next()).await;
    let mut dana = Client::signed_in(&world, "t-admin").await;
    let text = "\"><script>alert(1)</script>";
    for path in ["/cases".to_owned(), format!("/cases?text={}", url_encoded(text))] {
        let page = dana.get(&path).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(!page.text.contains("<img src=x") && !page.text.contains("<script>alert"), "{}", page.text);
    }
    assert!(dana.get("/cases").await.text.contains("&lt;img src=x"), "the name is shown");
}

/// A decision that was taken meanwhile by somebody else is refused with a sentence, and what was typed is kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_about_a_case_that_moved_on_is_not_taken() {
    let world = world().await;
    let ada = world.registers("Ada");
    world.goes_through(&ada, other_name()).await;
    let sheet = world.until_state(&ada, "in_review").await;
    let page = format!("/cases/{}", sheet["id"].as_str().unwrap());
    let decisions = format!("{page}/decisions");
    let (mut desi, mut devi) =
        (Client::signed_in(&world, "t-desk").await, Client::signed_in(&world, "t-desk-2").await);
    let seen = devi.get(&page).await.field("seen").unwrap();
    let fields = |reason| [("decision", "approve"), ("reason", reason), ("seen", seen.as_str())];
    let done = desi.submit(&page, &decisions, &fields("first")).await;
    assert_eq!((done.status, done.goes()), (StatusCode::SEE_OTHER, page.as_str()));
    world.until_closed(&ada, "approved").await;
    let late = devi.submit("/cases", &decisions, &fields("second, typed in vain")).await;
    assert_eq!((late.status, late.goes()), (StatusCode::SEE_OTHER, page.as_str()));
    let shown = devi.get(&page).await.text;
    assert!(
        shown.contains("changed while you looked at it") && shown.contains("closed (approved)"),
        "{shown}"
    );
    // Said once.
    assert!(!devi.get(&page).await.text.contains("changed while you looked"));
    // A decision without its required reason is not taken either.
    let ben = world.registers("Ben");
    world.goes_through(&ben, other_name()).await;
    let sheet = world.until_state(&ben, "in_review").await;
    let page = format!("/cases/{}", sheet["id"].as_str().unwrap());
    let answer =
        devi.submit(&page, &format!("{page}/decisions"), &[("decision", "approve"), ("reason", " ")]).await;
    assert_eq!(answer.goes(), page);
    assert!(devi.get(&page).await.text.contains("Nothing was decided"), "the refusal is shown");
    assert_eq!(world.until_state(&ben, "in_review").await["id"], sheet["id"]);
}
