//! The pages behind people's links: what a person reads before the vendor starts, and how the pages look.
use std::path::Path;

use proofd::simulate::applicant::{Led, agreement};
use reqwest::StatusCode;
use serde_json::Value;

use crate::world::World;
use crate::world::people::{other_name, passes};

const LOOK: &str = "person_pages:\n  logo: logo.svg\n  color: \"#7a1f5c\"\n  timezone: Europe/Berlin\n  languages: languages\n  \
    help: {mail: desk@example.com, phone: +49 30 1234, url: \"https://example.com/help\"}\n";

async fn page(world: &World, link: &str, language: &str) -> (StatusCode, String) {
    let asked = world.http().get(link).header("accept-language", language).send().await.unwrap();
    (asked.status(), asked.text().await.unwrap().replace("&#x2f;", "/"))
}

fn agreed(journal: &Value) -> Vec<String> {
    let entries = journal.as_array().unwrap().iter().filter(|entry| entry["what"] == "agreed");
    entries.map(|entry| entry["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_starts_before_the_person_agrees_and_the_text_is_journaled() {
    let mut world = World::new(60, Path::new("tests/data/tree"), "").await;
    world.start();
    let ada = world.registers("Ada");
    let link = world.link(&ada).await;
    let (status, html) = page(&world, &link, "en").await;
    assert_eq!(status, StatusCode::OK);
    for words in
        ["Jumio takes pictures of your identity document", "30 days after your case is closed", "2 years"]
    {
        assert!(html.contains(words), "{words}: {html}");
    }
    let version = agreement(&html).unwrap();
    assert!(version.starts_with("en-"), "{version}");
    // Nothing, a version that was never shown, and the version of a language that does not exist.
    for fields in
        [&[][..], &[("agree", "en-000000000000")], &[("agree", "xx-000000000000")], &[("agree", "")]]
    {
        let answer = world.http().post(&link).form(fields).send().await.unwrap();
        let text = answer.text().await.unwrap();
        assert!(text.contains("Please agree first") && text.contains("role=\"alert\""), "{fields:?}: {text}");
    }
    assert!(world.town.jumio.executions().is_empty());
    // The German text has another version, which is accepted too: the language may change in between.
    let (_, german) = page(&world, &link, "de").await;
    let german = agreement(&german).unwrap();
    assert!(german.starts_with("de-") && german != version, "{german}");
    let answer = world.http().post(&link).form(&[("agree", &german)]).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "the vendor's page: {answer:?}");
    world.until("the session", async |world| world.town.jumio.executions().pop()).await;
    let (_, html) = page(&world, &link, "en").await;
    assert!(html.contains("You can continue") && agreement(&html).is_none(), "{html}");
    let sheet = world.sheet(&ada).await.unwrap();
    let path = format!("/v1/cases/{}/journal", sheet["id"].as_str().unwrap());
    let journal = world.get(&path).await;
    assert_eq!(agreed(&journal["items"]), [german], "{journal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_have_the_look_the_time_zone_and_the_languages_of_the_organization() {
    let mut world = World::new(60, Path::new("tests/data/tree"), LOOK).await;
    let base = world.config().parent().unwrap().to_owned();
    std::fs::write(base.join("logo.svg"), "<svg xmlns=\"http://www.w3.org/2000/svg\"/>").unwrap();
    std::fs::create_dir(base.join("languages")).unwrap();
    let english = std::fs::read_to_string("src/http/person/languages/en.yaml").unwrap();
    let french = english.replace("title: Please confirm who you are", "title: Veuillez confirmer");
    std::fs::write(base.join("languages/fr.yaml"), french).unwrap();
    world.start();
    let ada = world.registers("Ada");
    let link = world.link(&ada).await;
    let (_, html) = page(&world, &link, "fr-FR,de;q=0.5").await;
    for words in [
        "<html lang=\"fr\">",
        "Veuillez confirmer",
        "<img src=\"data:image/svg+xml;base64,",
        "mailto:desk@example.com",
        "tel:+49301234",
        "https://example.com/help",
    ] {
        assert!(html.contains(words), "{words}: {html}");
    }
    assert!(html.contains(" CET</time>") || html.contains(" CEST</time>"), "{html}");
    let css =
        world.http().get(format!("{}/person.css", world.url)).send().await.unwrap().text().await.unwrap();
    assert!(css.contains("--button: #7a1f5c"), "{css}");
    let mails = world.town.mailbox.mails();
    let html = mails.iter().map(|mail| mail.html.as_str()).find(|html| html.contains("/v/")).unwrap();
    assert!(html.contains("color:#7a1f5c") && html.contains("<!doctype html>"), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_whether_the_case_is_checked_reviewed_or_decided() {
    let mut world = World::new(60, Path::new("policies"), "").await;
    world.start();
    let (ada, bob) = (world.registers("Ada"), world.registers("Bob"));
    let (hers, his) = (world.link(&ada).await, world.link(&bob).await);
    let (_, _) = (
        world.goes_through_by(&ada, &hers, passes()).await,
        world.goes_through_by(&bob, &his, other_name()).await,
    );
    world.until_closed(&ada, "approved").await;
    world.until_state(&bob, "in_review").await;
    for (link, words) in [(&hers, "Your case is decided"), (&his, "A person is reviewing your case")] {
        let (status, html) = page(&world, link, "en").await;
        assert_eq!(status, StatusCode::GONE);
        assert!(html.contains(words) && !html.contains("<button"), "{html}");
    }
    assert!(matches!(ada.applicant.press(&world.town, &hers).await, Ok(Led::Page(StatusCode::GONE, _))));
}
