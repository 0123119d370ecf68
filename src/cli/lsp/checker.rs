//! Checks trees in a thread of its own: the editor's requests do not wait. Checks only the newest state.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use serde_json::{Value, json};

use super::text::{self, Encoding};
use super::trees::Desk;
use crate::policy::diagnostic::{self, Diagnostic, Severity};
use crate::policy::tests::Tests;
use crate::policy::{self, Files, Loaded, Loader, Revision, codes};
use crate::trial;

/// Pause in typing before a check begins: longer than a pause within a word.
const PAUSE: Duration = Duration::from_millis(80);

/// A request to check the trees.
#[derive(Debug)]
pub struct Order {
    pub number: u64,
    pub desk: Desk,
    pub encoding: Encoding,
}

/// The result of a check.
#[derive(Debug, Default)]
pub struct Found {
    /// The number of the order.
    pub number: u64,
    /// Every file of the trees with its diagnoses as JSON.
    pub files: BTreeMap<PathBuf, Vec<Value>>,
    /// Roots of trees that could not be read: the state of their files is unknown.
    pub unread: Vec<PathBuf>,
    /// Reasons why a tree could not be read or checked completely.
    pub troubles: Vec<String>,
}

/// Starts the checker thread. It ends when the sender or the receiver of results is dropped.
pub fn start(send: impl Fn(Found) -> bool + Send + 'static) -> Sender<Order> {
    let (orders, inbox) = channel();
    std::thread::spawn(move || {
        let mut played = Played::new();
        while let Some(order) = newest(&inbox) {
            if !send(check(&order, &mut played)) {
                return;
            }
        }
    });
    orders
}

/// Most orders in a row that delay a check; a file that changes continuously must not block all checks.
const MOST_IN_A_ROW: usize = 25;

/// Returns the last order once no other arrives within `PAUSE`.
fn newest(inbox: &Receiver<Order>) -> Option<Order> {
    let mut order = inbox.recv().ok()?;
    for _ in 0..MOST_IN_A_ROW {
        match inbox.recv_timeout(PAUSE) {
            Ok(newer) => order = newer,
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    // Orders that arrived meanwhile are newer.
    Some(inbox.try_iter().last().unwrap_or(order))
}

/// Cached test results by tree and file, with the inputs they depend on: a change to one policy does not run the
/// tests of another.
type Played = BTreeMap<(PathBuf, String), (Revision, Arc<[u8]>, Vec<Diagnostic>)>;

fn check(order: &Order, played: &mut Played) -> Found {
    let mut found = Found { number: order.number, ..Found::default() };
    for root in order.desk.roots() {
        // A panic in one check must not end the checker.
        let checked = catch_unwind(AssertUnwindSafe(|| tree(order, &root, played, &mut found)));
        if checked.is_err() {
            found
                .troubles
                .push(format!("internal error while checking {}; please report it", root.display()));
        }
    }
    found
}

fn tree(order: &Order, root: &Path, played: &mut Played, found: &mut Found) {
    let known = order.desk.known(root).unwrap_or_else(|trouble| {
        found.troubles.push(trouble);
        crate::cli::compose::known_to_all()
    });
    let (files, unread) = match order.desk.files(root) {
        Ok(files) => files,
        Err(trouble) => {
            found.unread.push(root.to_owned());
            return found.troubles.push(trouble);
        }
    };
    let mut loaded = policy::load_tree(&files, &unread, &Loader::new(known));
    let mut diagnostics = std::mem::take(&mut loaded.diagnostics);
    diagnostics.extend(failed(root, &files, loaded, played));
    for file in files.0.keys() {
        found.files.entry(root.join(file)).or_default();
    }
    for diagnostic in diagnostic::once(&diagnostics) {
        let range = text::range(&diagnostic.place, &files, order.encoding);
        found.files.entry(root.join(&diagnostic.place.file)).or_default().push(wire(diagnostic, &range));
    }
}

/// Failed tests, as errors of their file: a policy with a failed test is not activated.
fn failed(root: &Path, files: &Files, mut loaded: Loaded, played: &mut Played) -> Vec<Diagnostic> {
    let (mut all, mut same) = (Vec::new(), BTreeSet::new());
    let key = |tests: &Tests| (root.to_owned(), tests.file.clone());
    let now = |loaded: &Loaded, tests: &Tests| {
        let policy = loaded.set.policies.get(&tests.policy)?;
        Some((policy.revision.clone(), Arc::clone(files.get(&tests.file)?)))
    };
    for tests in &loaded.tests {
        if let (Some((revision, bytes)), Some((before, text, found))) =
            (now(&loaded, tests), played.get(&key(tests)))
            && (revision, &bytes) == (before.clone(), text)
        {
            all.extend(found.iter().cloned());
            same.insert(tests.file.clone());
        }
    }
    loaded.tests.retain(|tests| !same.contains(&tests.file));
    let tested = trial::run(&loaded);
    for tests in &loaded.tests {
        let of = tested.iter().filter(|tested| tested.file == tests.file).cloned().collect::<Vec<_>>();
        let found = trial::diagnostics(&of);
        all.extend(found.iter().cloned());
        if let Some((revision, bytes)) = now(&loaded, tests) {
            played.insert(key(tests), (revision, bytes, found));
        }
    }
    all
}

fn wire(diagnostic: &Diagnostic, range: &Value) -> Value {
    let message = match &diagnostic.help {
        Some(help) => format!("{}\n{help}", diagnostic.message),
        None => diagnostic.message.clone(),
    };
    json!({
        "range": range,
        "severity": match diagnostic.severity { Severity::Error => 1, Severity::Warning => 2 },
        "code": codes::number(diagnostic.code),
        "source": "proofd",
        "message": message,
    })
}
