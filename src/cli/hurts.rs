//! Settings that are valid and will hurt: `doctor` warns of them.

use crate::config::{Config, is_loopback};

/// Returns a sentence for each.
pub fn warnings(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    if config.organization == Config::NO_ORGANIZATION {
        found.push(format!(
            "organization is not set: mails and people's pages say `{}`; set it to the name that people know",
            config.organization
        ));
    }
    found.extend(unreachable(config));
    if config.access.tokens.is_empty() {
        found.push("access.tokens is empty: no one can decide, operate or read cases".to_owned());
    }
    found
}

/// Why nobody reaches the links that are mailed to people.
fn unreachable(config: &Config) -> Option<String> {
    let url = &config.public_url;
    let listens = config.public_listen.unwrap_or(config.listen);
    let key = if config.public_listen.is_some() { "public_listen" } else { "listen" };
    let port = url.port_or_known_default()?;
    if is_loopback(url) {
        return (port != listens.port()).then(|| {
            format!("public_url is {url}, and {key} is {listens}: links lead to port {port}, where nothing listens")
        });
    }
    listens.ip().is_loopback().then(|| {
        format!(
            "people reach {url}, and {key} is {listens}: without a reverse proxy on this machine their links and the \
             providers' hooks lead nowhere"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::warnings;

    #[test]
    fn each_setting_that_hurts_is_named() {
        let tokens = "access: {tokens: [{name: me, role: admin, token: a-token-of-twenty-digits}]}\n";
        for (text, expected) in [
            ("public_url: http://127.0.0.1:8470\norganization: Example Corp\n", &[][..]),
            ("public_url: http://127.0.0.1:8470\n", &["organization is not set"]),
            ("public_url: http://localhost:9999\norganization: E\n", &["where nothing listens"]),
            ("public_url: https://proof.example.com\norganization: E\n", &["without a reverse proxy"]),
            ("public_url: https://proof.example.com\norganization: E\npublic_listen: 0.0.0.0:8471\n", &[]),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("proofd.yaml");
            std::fs::write(&file, format!("{text}{tokens}")).unwrap();
            let found = warnings(&crate::config::read(&file).unwrap().0);
            assert_eq!(found.len(), expected.len(), "{text}: {found:?}");
            assert!(
                found.iter().zip(expected).all(|(found, part)| found.contains(part)),
                "{text}: {found:?}"
            );
        }
    }
}
