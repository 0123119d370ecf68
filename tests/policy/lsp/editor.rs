//! A minimal editor: a server process, messages with a length header, and open documents.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// Timeout for a server that does not respond.
const STUCK: Duration = Duration::from_secs(120);

pub struct Editor {
    process: Child,
    said: Receiver<Value>,
    /// Messages that arrived during another wait.
    heard: Vec<Value>,
    /// The newest diagnoses of each document.
    shown: BTreeMap<String, Value>,
    pub tree: PathBuf,
    last: i64,
}

impl Editor {
    /// Starts the server without sending a message.
    pub fn start(tree: &Path, arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_proofd"))
            .arg("lsp")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let (say, said) = channel();
        std::thread::spawn(move || {
            loop {
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    if output.read_line(&mut line).unwrap() == 0 {
                        return;
                    }
                    match line.trim_end().split_once(": ") {
                        Some(("Content-Length", number)) => length = number.parse().unwrap(),
                        Some(other) => panic!("a header {other:?}"),
                        None => break,
                    }
                }
                let mut body = vec![0; length];
                output.read_exact(&mut body).unwrap();
                if say.send(serde_json::from_slice(&body).unwrap()).is_err() {
                    return;
                }
            }
        });
        let (heard, shown) = (Vec::new(), BTreeMap::new());
        Self { process, said, heard, shown, tree: tree.to_owned(), last: 0 }
    }

    /// Starts the server for a folder, counting columns in `encoding` (none: no preference).
    pub fn open_folder(folder: &Path, tree: &Path, encoding: Option<&str>) -> Self {
        let mut editor = Self::start(tree, &[]);
        let wishes: Vec<_> = encoding.into_iter().collect();
        let capabilities = match wishes.is_empty() {
            true => json!({}),
            false => json!({"general": {"positionEncodings": wishes}}),
        };
        let folders = json!([{"uri": address(folder), "name": "folder"}]);
        let parameters =
            json!({"processId": null, "capabilities": capabilities, "workspaceFolders": folders});
        let answer = editor.ask("initialize", parameters);
        assert_eq!(answer["capabilities"]["positionEncoding"], encoding.unwrap_or("utf-16"));
        editor.tell("initialized", json!({}));
        editor
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        let input = self.process.stdin.as_mut().unwrap();
        input.write_all(bytes).unwrap();
        input.flush().unwrap();
    }

    pub fn message(&mut self, message: &Value) {
        let body = message.to_string();
        self.raw(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    }

    pub fn tell(&mut self, method: &str, parameters: Value) {
        self.message(&json!({"jsonrpc": "2.0", "method": method, "params": parameters}));
    }

    /// The result of a request.
    pub fn ask(&mut self, method: &str, parameters: Value) -> Value {
        let answer = self.answer(method, parameters);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// The answer to a request, errors included.
    pub fn answer(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let id = self.last;
        self.message(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": parameters}));
        self.wait(|said| said["id"] == id && said.get("method").is_none())
    }

    /// Waits for a message of a kind; stores the others.
    pub fn wait(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.heard.iter().position(&wanted) {
            return self.heard.remove(at);
        }
        loop {
            let said = self.said.recv_timeout(STUCK).expect("the server says something");
            if said["method"] == "textDocument/publishDiagnostics" {
                let shown = &said["params"];
                self.shown.insert(shown["uri"].as_str().unwrap().to_owned(), shown.clone());
            }
            if wanted(&said) {
                return said;
            }
            self.heard.push(said);
        }
    }

    /// Waits until the diagnoses of a file are as wanted, and returns them.
    pub fn diagnoses(&mut self, file: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let uri = self.uri(file);
        loop {
            if let Some(shown) = self.shown.get(&uri) {
                let list = shown["diagnostics"].as_array().unwrap();
                if wanted(list) {
                    return list.clone();
                }
            }
            self.heard.retain(|said| said["method"] != "textDocument/publishDiagnostics");
            self.wait(|said| said["method"] == "textDocument/publishDiagnostics");
        }
    }

    /// Waits for the diagnoses of one version of an open document.
    pub fn verdict(&mut self, file: &str, version: i64) -> Vec<Value> {
        let uri = self.uri(file);
        loop {
            if let Some(shown) = self.shown.get(&uri).filter(|shown| shown["version"] == version) {
                return shown["diagnostics"].as_array().unwrap().clone();
            }
            self.heard.retain(|said| said["method"] != "textDocument/publishDiagnostics");
            self.wait(|said| said["method"] == "textDocument/publishDiagnostics");
        }
    }

    pub fn uri(&self, file: &str) -> String {
        address(&self.tree.join(file))
    }

    pub fn on_disk(&self, file: &str) -> String {
        std::fs::read_to_string(self.tree.join(file)).unwrap()
    }

    pub fn open(&mut self, file: &str, version: i64, text: &str) {
        let document = json!({"uri": self.uri(file), "languageId": "yaml", "version": version, "text": text});
        self.tell("textDocument/didOpen", json!({"textDocument": document}));
    }

    pub fn change(&mut self, file: &str, version: i64, text: &str) {
        let document = json!({"uri": self.uri(file), "version": version});
        self.tell(
            "textDocument/didChange",
            json!({"textDocument": document, "contentChanges": [{"text": text}]}),
        );
    }

    pub fn close(&mut self, file: &str) {
        self.tell("textDocument/didClose", json!({"textDocument": {"uri": self.uri(file)}}));
    }

    /// Sends a request about a position of a file.
    pub fn at(&mut self, question: &str, file: &str, position: &Value) -> Value {
        let parameters = json!({"textDocument": {"uri": self.uri(file)}, "position": position});
        self.ask(&format!("textDocument/{question}"), parameters)
    }

    /// Closes the server's input and returns its exit code.
    pub fn left(mut self) -> i32 {
        drop(self.process.stdin.take());
        self.ended()
    }

    /// The exit code of a server that was asked to exit.
    pub fn ended(mut self) -> i32 {
        // `wait` would close the input, which is another way to end.
        let input = self.process.stdin.take();
        let code = self.process.wait().unwrap().code().unwrap();
        drop(input);
        code
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn address(path: &Path) -> String {
    url::Url::from_file_path(path).unwrap().into()
}

/// The position of a byte as an editor counts it in an encoding.
pub fn position(text: &str, byte: usize, encoding: &str) -> Value {
    let before = &text[..byte];
    let line = before.rsplit('\n').next().unwrap();
    let character = match encoding {
        "utf-8" => line.len(),
        "utf-16" => line.encode_utf16().count(),
        _ => line.chars().count(),
    };
    json!({"line": before.matches('\n').count(), "character": character})
}

/// The byte offset of the cursor `^` in a snippet of the text.
pub fn cursor(text: &str, snippet: &str) -> usize {
    let at = snippet.find('^').expect("a snippet with a cursor");
    let plain = snippet.replacen('^', "", 1);
    text.find(&plain).unwrap_or_else(|| panic!("no `{plain}`")) + at
}
