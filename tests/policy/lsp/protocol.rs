//! The session: its start, errors in it, and its end.

use serde_json::{Value, json};

use super::editor::{Editor, address};
use super::{POLICY, copy};

#[test]
fn shutdown_and_exit_follow_the_protocol() {
    let (dir, tree) = copy();
    // An orderly end.
    let mut editor = Editor::open_folder(dir.path(), &tree, None);
    assert_eq!(editor.ask("shutdown", Value::Null), Value::Null);
    assert_eq!(editor.answer("textDocument/hover", json!({}))["error"]["code"], -32600);
    editor.tell("exit", Value::Null);
    assert_eq!(editor.ended(), 0);
    // Exit without shutdown.
    let mut editor = Editor::open_folder(dir.path(), &tree, None);
    editor.tell("exit", Value::Null);
    assert_eq!(editor.ended(), 1);
    // The editor closes the stream.
    assert_eq!(Editor::open_folder(dir.path(), &tree, None).left(), 1);
    // Shutdown, and then a closed stream.
    let mut editor = Editor::open_folder(dir.path(), &tree, None);
    editor.ask("shutdown", Value::Null);
    assert_eq!(editor.left(), 0);
}

#[test]
fn initialize_must_come_first_and_once() {
    let (_dir, tree) = copy();
    let mut editor = Editor::start(&tree, &["--stdio"]);
    assert_eq!(editor.answer("textDocument/hover", json!({}))["error"]["code"], -32002);
    let can = editor.ask("initialize", json!({"rootUri": address(&tree), "capabilities": {}}));
    assert_eq!(can["serverInfo"]["name"], "proofd");
    for provided in ["definitionProvider", "hoverProvider"] {
        assert_eq!(can["capabilities"][provided], true);
    }
    assert_eq!(editor.answer("initialize", json!({}))["error"]["code"], -32600);
    assert_eq!(editor.answer("textDocument/rename", json!({}))["error"]["code"], -32601);
}

#[test]
fn an_invalid_message_does_not_end_the_session() {
    let (dir, tree) = copy();
    let mut editor = Editor::open_folder(dir.path(), &tree, None);
    let wrong: [(&[u8], i64); 6] = [
        (b"Content-Length: 9\r\n\r\n{\"id\": 1,", -32700),
        (b"Content-Length: 2\r\n\r\n\xff\xfe", -32700),
        (b"Content-Length: many\r\n\r\n", -32700),
        (b"Content-Type: x\r\n\r\n", -32700),
        (b"Content-Length: 2\r\n\r\n[]", -32600),
        (b"content-length:14\r\n\r\n{\"jsonrpc\": 2}", -32600),
    ];
    for (bytes, code) in wrong {
        editor.raw(bytes);
        let said = editor.wait(|said| said["id"].is_null() && said.get("error").is_some());
        assert_eq!(said["error"]["code"], code, "{}", String::from_utf8_lossy(bytes));
    }
    // Incomplete or unknown notifications are ignored.
    for method in
        ["textDocument/didOpen", "textDocument/didChange", "textDocument/didClose", "$/cancelRequest", "x"]
    {
        editor.tell(method, Value::Null);
        editor.tell(method, json!({"textDocument": {"uri": "untitled:1", "text": "x"}, "contentChanges": 7}));
    }
    editor.message(&json!({"jsonrpc": "2.0", "id": "watch", "result": null}));
    for question in ["definition", "hover", "completion"] {
        let method = format!("textDocument/{question}");
        assert_eq!(editor.ask(&method, Value::Null), Value::Null);
        let elsewhere = json!({"textDocument": {"uri": "file:///nowhere/x.yaml"}, "position": {"line": 0, "character": 0}});
        assert_eq!(editor.ask(&method, elsewhere), Value::Null);
    }
    editor.open(POLICY, 1, "");
    assert!(!editor.verdict(POLICY, 1).is_empty());
}

#[test]
fn file_watching_is_registered_with_capable_editors() {
    let (dir, tree) = copy();
    let mut editor = Editor::start(&tree, &[]);
    let can = json!({"workspace": {"didChangeWatchedFiles": {"dynamicRegistration": true}}});
    let folders = json!([{"uri": address(dir.path()), "name": "x"}]);
    editor.ask("initialize", json!({"capabilities": can, "workspaceFolders": folders}));
    editor.tell("initialized", json!({}));
    let asked = editor.wait(|said| said["method"] == "client/registerCapability");
    let registration = &asked["params"]["registrations"][0];
    assert_eq!(registration["method"], "workspace/didChangeWatchedFiles");
    assert_eq!(registration["registerOptions"]["watchers"][0]["globPattern"], "**/*.yaml");
    editor.message(&json!({"jsonrpc": "2.0", "id": asked["id"], "result": null}));
}

/// The folder with `policies` in it, the tree, one policy of it, and no folder at all.
#[test]
fn a_tree_is_found_from_every_workspace_folder() {
    let (dir, tree) = copy();
    let broken =
        std::fs::read_to_string(tree.join(POLICY)).unwrap().replace("mode: enforce", "mode: perhaps");
    let policy = tree.join("registration-proofing");
    for folder in [Some(dir.path()), Some(&tree), Some(&policy), None] {
        let mut editor = Editor::start(&tree, &[]);
        let root = folder.map_or(Value::Null, |folder| address(folder).into());
        editor.ask("initialize", json!({"rootUri": root, "capabilities": {}}));
        editor.tell("initialized", json!({}));
        editor.open(POLICY, 1, &broken);
        assert_eq!(editor.verdict(POLICY, 1)[0]["code"], "P0105", "{folder:?}");
    }
}

#[test]
fn two_trees_have_separate_diagnostics() {
    let ((one, tree), (other, second)) = (copy(), copy());
    let mut editor = Editor::open_folder(one.path(), &tree, None);
    let added = json!({"added": [{"uri": address(other.path()), "name": "other"}], "removed": []});
    editor.tell("workspace/didChangeWorkspaceFolders", json!({"event": added}));
    let blocks = editor.on_disk("shared/blocks.yaml").replace("expire:", "overtime:");
    editor.open("shared/blocks.yaml", 1, &blocks);
    editor.diagnoses(POLICY, |found| !found.is_empty());
    editor.tree = second;
    let text = editor.on_disk(POLICY);
    editor.open(POLICY, 1, &text);
    assert_eq!(editor.verdict(POLICY, 1), [] as [Value; 0]);
    let removed = json!({"removed": [{"uri": address(one.path()), "name": "folder"}], "added": []});
    editor.tell("workspace/didChangeWorkspaceFolders", json!({"event": removed}));
    // The open file still belongs to a tree of its own, whose folder was removed.
    editor.tree = tree;
    editor.close("shared/blocks.yaml");
    editor.diagnoses(POLICY, <[Value]>::is_empty);
}
