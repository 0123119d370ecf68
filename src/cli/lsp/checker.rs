//! Checks trees beside the conversation, so that typing waits for nothing. Only the newest state is checked.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use serde_json::{Value, json};

use super::text::{self, Encoding};
use super::trees::Desk;
use crate::policy::diagnostic::{self, Diagnostic, Severity};
use crate::policy::{self, codes};

/// A word is typed in less; whoever stops for longer wants to read.
const PAUSE: Duration = Duration::from_millis(80);

/// What is to be checked.
#[derive(Debug)]
pub struct Order {
    pub number: u64,
    pub desk: Desk,
    pub encoding: Encoding,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The order that it answers.
    pub number: u64,
    /// Every file of the trees with its diagnoses, ready for the wire.
    pub files: BTreeMap<PathBuf, Vec<Value>>,
    /// Trees that could not be read: nothing is known of their files, not even that they are good.
    pub unread: Vec<PathBuf>,
    /// What kept a tree from being read or judged as a whole.
    pub troubles: Vec<String>,
}

/// Starts the checking. It ends when either side of it is gone.
pub fn start(tell: impl Fn(Found) -> bool + Send + 'static) -> Sender<Order> {
    let (orders, inbox) = channel();
    std::thread::spawn(move || {
        while let Some(order) = newest(&inbox) {
            if !tell(check(&order)) {
                return;
            }
        }
    });
    orders
}

/// The last order once no other comes for a moment.
fn newest(inbox: &Receiver<Order>) -> Option<Order> {
    let mut order = inbox.recv().ok()?;
    loop {
        match inbox.recv_timeout(PAUSE) {
            Ok(newer) => order = newer,
            Err(RecvTimeoutError::Timeout) => return Some(order),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

fn check(order: &Order) -> Found {
    let mut found = Found { number: order.number, ..Found::default() };
    for root in order.desk.roots() {
        // A mistake of ours in one check must not end all later ones.
        let checked = catch_unwind(AssertUnwindSafe(|| tree(order, &root, &mut found)));
        if checked.is_err() {
            found
                .troubles
                .push(format!("{} could not be checked; this is a fault of proofd", root.display()));
        }
    }
    found
}

fn tree(order: &Order, root: &Path, found: &mut Found) {
    let known = order.desk.known(root).unwrap_or_else(|trouble| {
        found.troubles.push(trouble);
        policy::Known::default()
    });
    let files = match order.desk.files(root) {
        Ok(files) => files,
        Err(trouble) => {
            found.unread.push(root.to_owned());
            return found.troubles.push(trouble);
        }
    };
    let loaded = policy::load(&files, &known);
    for file in files.0.keys() {
        found.files.entry(root.join(file)).or_default();
    }
    for diagnostic in diagnostic::once(&loaded.diagnostics) {
        let range = text::range(&diagnostic.place, &files, order.encoding);
        found.files.entry(root.join(&diagnostic.place.file)).or_default().push(wire(diagnostic, &range));
    }
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
