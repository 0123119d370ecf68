//! `lsp`: a language server for policy trees. It adds to a schema: the diagnoses of `check` during typing, and
//! definitions of names. Messages are read and written as untyped JSON: the protocol's types (`gen-lsp-types`,
//! `lsp-types`) take 7 to 9 seconds to build, as long as tokio, for the dozen members that are read.
//!
//! | file | what |
//! |---|---|
//! | `wire` | messages on standard input and output |
//! | `trees` | the trees of the editor's folders, including unsaved changes |
//! | `checker` | checks the trees in a thread of its own |
//! | `watch` | watches files, for editors that do not report changes on disk |
//! | `answer` | answers requests about a position |
//! | `text` | positions and URIs in the editor's format |

mod answer;
mod checker;
mod text;
mod trees;
mod watch;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use super::{Ending, Failed};
use crate::policy::source;
use answer::{Asked, Question, address};
use checker::{Found, Order};
use text::Encoding;
use trees::{Desk, Open};
use watch::Watch;

pub const EXAMPLES: &str = "\
Example, Neovim 0.11 (init.lua):
  vim.lsp.config('proofd', { cmd = {'proofd', 'lsp'}, filetypes = {'yaml', 'rhai', 'markdown'},
                             root_markers = {'policies', '.git'} })
  vim.lsp.enable('proofd')

Example, Helix (languages.toml):
  [language-server.proofd]
  command = \"proofd\"
  args = [\"lsp\"]
  [[language]]
  name = \"yaml\"
  language-servers = [\"yaml-language-server\", \"proofd\"]

Example, VS Code: any extension that starts a language server of one's choice; the command is `proofd lsp`,
  for documents of the languages yaml, rhai and markdown.";

#[derive(Debug, Args)]
pub struct Arguments {
    /// Configuration with the endpoints and systems that policies may name; by default `proofd.yaml` beside each tree
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Use standard input and output; editors pass it, and there is no other way
    #[arg(long, hide = true)]
    stdio: bool,
}

/// An input of the main loop.
enum Arrival {
    Message(Result<Value, String>),
    Checked(Found),
    /// A file changed on disk.
    Disk,
    /// The editor closed the stream.
    End,
}

pub fn run(arguments: Arguments) -> Result<Ending, Failed> {
    let (arrivals, inbox) = channel();
    let reading = arrivals.clone();
    // The thread ends with the stream or with the process.
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        while let Ok(Some(message)) = wire::read(&mut input) {
            if reading.send(Arrival::Message(message)).is_err() {
                return;
            }
        }
        let _ = reading.send(Arrival::End);
    });
    let changes = arrivals.clone();
    let watch = Watch::start(move || drop(changes.send(Arrival::Disk)));
    let orders = checker::start(move |found| arrivals.send(Arrival::Checked(found)).is_ok());
    let desk = Desk {
        config: arguments.config.map(|path| std::path::absolute(&path).unwrap_or(path)),
        ..Desk::default()
    };
    let mut talk = Talk::new(std::io::stdout().lock(), desk, orders, watch);
    while let Ok(arrival) = inbox.recv() {
        let ended = match arrival {
            Arrival::Message(Ok(message)) => talk.message(&message),
            Arrival::Message(Err(why)) => talk.refuse(&Value::Null, -32700, &why).map(|()| false),
            Arrival::Checked(found) => talk.publish(&found).map(|()| false),
            Arrival::Disk => {
                talk.order();
                Ok(false)
            }
            Arrival::End => Ok(true),
        };
        if ended.context("while writing to the editor")? {
            break;
        }
    }
    Ok(if talk.phase == Phase::ShutDown { Ending::Ok } else { Ending::No })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Before `initialize`.
    New,
    Open,
    ShutDown,
}

/// The session with one editor.
struct Talk<W> {
    to: W,
    phase: Phase,
    desk: Desk,
    encoding: Encoding,
    /// The editor reports changed files on request.
    watches: bool,
    /// Watches files if the editor does not.
    watch: Watch,
    /// The last parsed text of each open file.
    sound: BTreeMap<PathBuf, Arc<str>>,
    orders: Sender<Order>,
    /// The number of the last order.
    ordered: u64,
    /// The number of the last order that an action in the editor caused.
    edited: u64,
    /// Files with their diagnoses as the editor shows them.
    shown: BTreeMap<PathBuf, Vec<Value>>,
    reported: BTreeSet<String>,
}

impl<W: Write> Talk<W> {
    fn new(to: W, desk: Desk, orders: Sender<Order>, watch: Watch) -> Self {
        Self {
            to,
            phase: Phase::New,
            desk,
            encoding: Encoding::default(),
            watches: false,
            watch,
            sound: BTreeMap::new(),
            orders,
            ordered: 0,
            edited: 0,
            shown: BTreeMap::new(),
            reported: BTreeSet::new(),
        }
    }

    fn send(&mut self, mut message: Value) -> std::io::Result<()> {
        if let Some(fields) = message.as_object_mut() {
            fields.insert("jsonrpc".to_owned(), json!("2.0"));
        }
        wire::write(&mut self.to, &message)
    }

    fn refuse(&mut self, id: &Value, code: i64, why: &str) -> std::io::Result<()> {
        self.send(json!({"id": id, "error": {"code": code, "message": why}}))
    }

    /// Handles a message. True: the session ends.
    fn message(&mut self, message: &Value) -> std::io::Result<bool> {
        let id = message.get("id");
        let Some(method) = message.get("method").and_then(Value::as_str) else {
            // A message without a method is a response, or invalid.
            let answer = message.get("result").is_some() || message.get("error").is_some();
            if !answer {
                self.refuse(id.unwrap_or(&Value::Null), -32600, "not a JSON-RPC request")?;
            }
            return Ok(false);
        };
        let parameters = message.get("params").unwrap_or(&Value::Null);
        match id {
            Some(id) => {
                // A panic in one answer must not end the session.
                let answered = catch_unwind(AssertUnwindSafe(|| self.answer(method, parameters)));
                let failed = || Err((-32603, "internal error while answering; please report it".to_owned()));
                match answered.unwrap_or_else(|_| failed()) {
                    Ok(result) => self.send(json!({"id": id, "result": result}))?,
                    Err((code, why)) => self.refuse(id, code, &why)?,
                }
                Ok(false)
            }
            None if method == "exit" => Ok(true),
            None => self.notice(method, parameters).map(|()| false),
        }
    }

    fn answer(&mut self, method: &str, parameters: &Value) -> Result<Value, (i64, String)> {
        match (self.phase, method) {
            (Phase::New, "initialize") => Ok(self.initialize(parameters)),
            (Phase::New, _) => Err((-32002, "send `initialize` first".to_owned())),
            (Phase::ShutDown, _) => Err((-32600, "only `exit` is allowed after `shutdown`".to_owned())),
            (Phase::Open, "initialize") => Err((-32600, "`initialize` was sent before".to_owned())),
            (Phase::Open, "shutdown") => {
                self.phase = Phase::ShutDown;
                Ok(Value::Null)
            }
            (Phase::Open, method) => {
                let question = Question::of(method);
                let question = question.ok_or_else(|| (-32601, format!("unknown method `{method}`")))?;
                let asked = Asked::read(&self.desk, &self.sound, self.encoding, parameters);
                Ok(asked.map_or(Value::Null, |asked| asked.answer(question)))
            }
        }
    }

    fn initialize(&mut self, parameters: &Value) -> Value {
        self.phase = Phase::Open;
        let can = |at: &str| parameters.pointer(at).cloned().unwrap_or_default();
        self.encoding = Encoding::choose(&can("/capabilities/general/positionEncodings"));
        self.watches =
            can("/capabilities/workspace/didChangeWatchedFiles/dynamicRegistration") == json!(true);
        let folders = can("/workspaceFolders");
        let folders = folders.as_array().into_iter().flatten().filter_map(|folder| folder.get("uri"));
        self.desk.folders = folders.filter_map(|uri| text::path(uri.as_str()?)).collect();
        if self.desk.folders.is_empty() {
            let root = text::path(can("/rootUri").as_str().unwrap_or_default());
            let root = root.or_else(|| can("/rootPath").as_str().map(PathBuf::from));
            self.desk.folders.extend(root);
        }
        json!({
            "capabilities": {
                "positionEncoding": self.encoding.name(),
                // 1: a change contains the whole text. The largest file that is read has 256 KiB.
                "textDocumentSync": {"openClose": true, "change": 1, "save": {"includeText": false}},
                "definitionProvider": true,
                "referencesProvider": true,
                "hoverProvider": true,
                "completionProvider": {"triggerCharacters": [" ", ":", ".", "\"", "'", "[", "{"]},
                "workspace": {"workspaceFolders": {"supported": true, "changeNotifications": true}},
            },
            "serverInfo": {"name": "proofd", "version": env!("CARGO_PKG_VERSION")},
        })
    }

    fn notice(&mut self, method: &str, parameters: &Value) -> std::io::Result<()> {
        if self.phase != Phase::Open {
            return Ok(());
        }
        match method {
            "initialized" if self.watches => self.ask_to_watch()?,
            "initialized" | "textDocument/didSave" | "workspace/didChangeWatchedFiles" => {}
            "textDocument/didOpen" => self.changed(parameters, parameters.pointer("/textDocument/text")),
            "textDocument/didChange" => {
                let changes = parameters.get("contentChanges").and_then(Value::as_array);
                self.changed(parameters, changes.and_then(|changes| changes.last()?.get("text")));
            }
            "textDocument/didClose" => {
                if let Some(path) = document(parameters) {
                    self.desk.open.remove(&path);
                    self.sound.remove(&path);
                }
            }
            "workspace/didChangeWorkspaceFolders" => self.folders(parameters),
            // Settings, traces and cancelled requests have no effect here.
            _ => return Ok(()),
        }
        self.order();
        self.edited = self.ordered;
        Ok(())
    }

    /// Asks the editor to report files that other programs change.
    fn ask_to_watch(&mut self) -> std::io::Result<()> {
        let watchers: Vec<_> =
            ["**/*.yaml", "**/*.rhai", "**/*.md"].iter().map(|glob| json!({"globPattern": glob})).collect();
        let registration = json!({
            "id": "files", "method": "workspace/didChangeWatchedFiles", "registerOptions": {"watchers": watchers},
        });
        self.send(json!({
            "id": "watch", "method": "client/registerCapability", "params": {"registrations": [registration]},
        }))
    }

    fn changed(&mut self, parameters: &Value, text: Option<&Value>) {
        let (Some(path), Some(text)) = (document(parameters), text.and_then(Value::as_str)) else { return };
        let uri = parameters.pointer("/textDocument/uri").and_then(Value::as_str).unwrap_or_default();
        let version = parameters.pointer("/textDocument/version").and_then(Value::as_i64);
        let text: Arc<str> = text.into();
        let yaml = path.extension().is_some_and(|end| end == "yaml");
        if !yaml || source::read("", text.as_bytes(), &mut Vec::new()).is_some() {
            self.sound.insert(path.clone(), Arc::clone(&text));
        }
        self.desk.open.insert(path, Open { uri: uri.to_owned(), version, text });
    }

    fn folders(&mut self, parameters: &Value) {
        let paths = |at: &str| -> Vec<PathBuf> {
            let folders = parameters.pointer(at).and_then(Value::as_array).into_iter().flatten();
            folders.filter_map(|folder| text::path(folder.get("uri")?.as_str()?)).collect()
        };
        let removed = paths("/event/removed");
        self.desk.folders.retain(|folder| !removed.contains(folder));
        self.desk.folders.extend(paths("/event/added"));
    }

    /// Orders a check of the current state.
    fn order(&mut self) {
        if self.phase != Phase::Open {
            return;
        }
        if !self.watches {
            self.watch.follow(&self.desk);
        }
        self.ordered += 1;
        let order = Order { number: self.ordered, desk: self.desk.clone(), encoding: self.encoding };
        // Without the checker there are no diagnoses; requests are still answered.
        let _ = self.orders.send(order);
    }

    /// Publishes the result of a check. A result older than the last edit is dropped: its positions are outdated.
    fn publish(&mut self, found: &Found) -> std::io::Result<()> {
        if found.number < self.edited || self.phase != Phase::Open {
            return Ok(());
        }
        for trouble in &found.troubles {
            if self.reported.insert(trouble.clone()) {
                let message = json!({"type": 2, "message": trouble});
                self.send(json!({"method": "window/logMessage", "params": message}))?;
            }
        }
        self.reported.retain(|reported| found.troubles.contains(reported));
        // A file that could not be read keeps its published diagnoses.
        let unread = |path: &Path| found.unread.iter().any(|root| path.starts_with(root));
        let gone = |path: &&PathBuf| !found.files.contains_key(*path) && !unread(path);
        let gone: Vec<_> = self.shown.keys().filter(gone).cloned().collect();
        let none = Vec::new();
        let files = found.files.iter().chain(gone.iter().map(|path| (path, &none)));
        for (path, diagnoses) in files {
            let open = self.desk.open.get(path);
            // An open file receives every result, even an unchanged one: it shows the editor that the text was checked.
            if open.is_none() && self.shown.get(path).unwrap_or(&none) == diagnoses {
                continue;
            }
            let Some(uri) = address(&self.desk, path) else { continue };
            let mut parameters = json!({"uri": uri, "diagnostics": diagnoses});
            if let (Some(version), Some(fields)) =
                (open.and_then(|open| open.version), parameters.as_object_mut())
            {
                fields.insert("version".to_owned(), json!(version));
            }
            self.send(json!({"method": "textDocument/publishDiagnostics", "params": parameters}))?;
        }
        self.shown.retain(|path, _| unread(path));
        let shown = found.files.iter().filter(|(_, diagnoses)| !diagnoses.is_empty());
        self.shown.extend(shown.map(|(path, diagnoses)| (path.clone(), diagnoses.clone())));
        Ok(())
    }
}

/// The path of the document in a notification, if it is a file.
fn document(parameters: &Value) -> Option<PathBuf> {
    text::path(parameters.pointer("/textDocument/uri")?.as_str()?)
}
