//! What `proofd init` writes: each template loads, its tests pass, and nothing is overwritten.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn proofd(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_proofd"));
    command.current_dir(dir).args(arguments).env("PROOFD_CLIENT_SECRET", "of-the-realm").output().unwrap()
}

fn succeeds(dir: &Path, arguments: &[&str]) -> String {
    let output = proofd(dir, arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn every_template_loads_and_overwrites_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for (template, policies) in
        [("all", 8), ("registration", 1), ("re-verification", 3), ("help-desk", 1), ("keycloak", 4)]
    {
        let said = succeeds(dir.path(), &["init", template, "--template", template]);
        let next = if template == "keycloak" {
            "run --config keycloak/proofd.yaml"
        } else {
            &format!("dev {template}")
        };
        assert!(said.contains(&format!("proofd {next}")), "{said}");
        let root = dir.path().join(template);
        // Ten lines, without the commands.
        let readme = fs::read_to_string(root.join("README.md")).unwrap();
        assert!(readme.lines().count() <= 20, "{readme}");
        let found = fs::read_dir(root.join("policies")).unwrap();
        let found = found.filter(|entry| entry.as_ref().unwrap().path().join("policy.yaml").exists()).count();
        assert_eq!(found, policies, "{template}");
        let checked = succeeds(&root, &["check", "policies", "--config", "proofd.yaml"]);
        // The shared files also have what the other policies use.
        let warnings =
            checked.lines().filter(|line| line.starts_with("warning") && !line.contains(" unused-"));
        assert_eq!(warnings.collect::<Vec<_>>(), [""; 0], "{template}");
        succeeds(&root, &["test", "policies"]);
        for file in [".vscode/settings.json", ".schema/policy.json"] {
            serde_json::from_slice::<serde_json::Value>(&fs::read(root.join(file)).unwrap()).unwrap();
        }
        fs::write(root.join("proofd.yaml"), "mine").unwrap();
        fs::remove_file(root.join("README.md")).unwrap();
        let again = proofd(dir.path(), &["init", template, "--template", template]);
        assert_eq!(again.status.code(), Some(1), "{template}");
        let error = String::from_utf8_lossy(&again.stderr);
        assert!(error.contains("exists already") && error.contains("nothing is overwritten"), "{error}");
        assert_eq!(fs::read_to_string(root.join("proofd.yaml")).unwrap(), "mine");
        assert!(!root.join("README.md").exists(), "{template}: a refused command wrote a file");
    }
}
