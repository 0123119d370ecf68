//! Mistakes in `connectors.keycloak`, each with its key and what to write.

use proofd::config;
use proofd::connectors::Registry;
use proofd::connectors::options::Letterhead;
use proofd::connectors::setup::Setup;

fn mistake(options: &str) -> Result<Setup, String> {
    let realm = if options.contains("realm: ") { "" } else { "realm: staff, " };
    let text = format!(
        "public_url: https://proof.example.com\nconnectors:\n  keycloak:\n    staff: {{{realm}client_secret: {{env: X}}, {options}}}\n"
    );
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("proofd.yaml");
    std::fs::write(&path, text).unwrap();
    let (config, _) = config::read(&path).map_err(|mistake| mistake.message)?;
    Setup::read(&Registry::shipped(), &config).map(|(setup, _)| setup).map_err(|mistake| mistake.message)
}

#[test]
fn each_invalid_option_is_reported_with_its_key() {
    let url = "url: 'https://id.example.com'";
    for (options, says) in [
        ("url: 'https://id.example.com/realms/staff'", "url: write Keycloak's address without /realms"),
        ("url: 'ftp://id.example.com'", "url: expected an address"),
        ("url: 'https://u:p@id.example.com'", "url: remove user name and password"),
        (&*format!("{url}, realm: master"), "realm: master holds the administrators"),
        (&format!("{url}, realm: ' '"), "realm: write the realm's name"),
        (&format!("{url}, client_id: ''"), "client_id: write the client's id"),
        (&format!("{url}, pending_group: proofd-pending"), "pending_group: write the group's path"),
        (&format!("{url}, pending_group: /"), "pending_group: write the group's path"),
        (&format!("{url}, state_attribute: email"), "state_attribute: \"email\" has another meaning"),
        (&format!("{url}, invite: {{lifespan: 0d}}"), "lifespan: write a time from 1m to 365d"),
        (&format!("{url}, invite: {{lifespan: 2bd}}"), "lifespan: write a time from 1m to 365d"),
        (&format!("{url}, invite: {{redirect_uri: 'https://x.test'}}"), "redirect_uri: needs client_id"),
        (&format!("{url}, invite: {{client_id: a, redirect_uri: x}}"), "redirect_uri: write an address"),
        (
            &format!("{url}, attributes: {{verified_at: disabledReason}}"),
            "attributes.verified_at: \"disabledReason\"",
        ),
        (&format!("{url}, attributes: {{verified_at: username}}"), "attributes.verified_at: \"username\""),
        (
            &format!("{url}, attributes: {{verified_at: proofd_state}}"),
            "attributes.verified_at: \"proofd_state\"",
        ),
        (
            &format!("{url}, attributes: {{title: a, department: a}}"),
            "another field has the attribute \"a\" too",
        ),
        (&format!("{url}, webhook: {{}}"), "unknown field `webhook`"),
    ] {
        let found = mistake(options).err().unwrap_or_else(|| panic!("{options} was accepted"));
        assert!(found.contains(says), "{options}: {found}");
    }
    let setup = mistake(url).unwrap();
    assert_eq!(setup.identity["staff"].provider, "keycloak");
}

/// An imported realm whose variable was not set has the placeholder as its secret.
#[test]
fn a_placeholder_secret_is_refused() {
    let text = "public_url: https://proof.example.com\nconnectors:\n  keycloak:\n    staff: {url: 'https://id.example.com', realm: staff, client_secret: '${PROOFD_CLIENT_SECRET}'}\n";
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("proofd.yaml");
    std::fs::write(&path, text).unwrap();
    let (config, _) = config::read(&path).unwrap();
    let (setup, warnings) = Setup::read(&Registry::shipped(), &config).unwrap();
    assert!(!warnings.is_empty());
    let clock: std::sync::Arc<dyn proofd::model::Clock> = std::sync::Arc::new(proofd::engine::clock::System);
    let letterhead = Letterhead { organization: "Example Corp", color: "#1451c8" };
    let refused = setup.build(dir.path(), &config.public_url, letterhead, &clock).unwrap_err().to_string();
    assert!(refused.contains("connectors.keycloak.staff: client_secret: it is a placeholder"), "{refused}");
}
