//! Two threads of the store. The committer writes all waiting commits as one frame and syncs once; the applier updates
//! the state. Independent of case logic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use tokio::sync::{mpsc, oneshot, watch};

use super::commit::Body;
use super::journal::{Head, Journal, Refusal};
use super::mark::Marker;
use super::room::{Level, Room};
use super::state::{Draft, State};
use super::{Error, Options, projection, rebuild};

/// Writes after which a group becomes visible before its end.
const BATCH: usize = 2048;

/// How often the disk is checked while nothing can be written.
const LOOK_FOR_ROOM_EVERY: std::time::Duration = std::time::Duration::from_millis(250);

/// When the caller of a commit continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    Durable,
    Visible,
}

/// A commit in progress.
#[derive(Debug)]
pub(super) struct Request {
    /// Encoded by the calling task, not by the committer.
    pub(super) record: Vec<u8>,
    pub(super) body: Body,
    pub(super) until: Until,
    pub(super) done: oneshot::Sender<Result<(), Error>>,
}

impl Request {
    /// Returns whether it brings new events or opens a case, which is refused when the disk is nearly full.
    fn takes_in(&self) -> bool {
        matches!(&self.body, Body::Commit(commit) if commit.takes_in())
    }

    fn is_order(&self) -> bool {
        matches!(self.body, Body::Redact(_))
    }

    fn refuse(self, error: Error) {
        // The caller may have stopped waiting; then the answer is dropped.
        drop(self.done.send(Err(error)));
    }
}

/// A record that is durable in the journal.
#[derive(Debug)]
pub(super) struct Durable {
    sequence: u64,
    body: Body,
    /// In the journal.
    bytes: usize,
    done: Option<oneshot::Sender<Result<(), Error>>>,
}

/// The records of a frame.
#[derive(Debug)]
pub(super) struct Group {
    head: Head,
    records: Vec<Durable>,
}

/// Writes the journal.
pub(super) struct Committer {
    pub(super) journal: Journal,
    pub(super) marker: Marker,
    pub(super) options: Options,
    pub(super) room: Arc<Room>,
    pub(super) queue: mpsc::Receiver<Request>,
    pub(super) applier: SyncSender<Group>,
    /// An order to remove data, which is committed next.
    pub(super) order: Option<Request>,
}

impl Committer {
    pub(super) fn run(mut self) {
        while let Some(first) = self.order.take().or_else(|| self.queue.blocking_recv()) {
            let group = self.gather(first);
            if let Err(reason) = self.commit(group) {
                // Waiting requests are dropped without an answer: they are not committed.
                (self.options.failure)(&reason);
                return;
            }
        }
    }

    /// Returns a group. An order to remove data is a group of its own.
    fn gather(&mut self, first: Request) -> Vec<Request> {
        let mut bytes = first.record.len();
        let alone = first.is_order();
        let mut group = vec![first];
        while !alone && group.len() < self.options.group_commits && bytes < self.options.group_bytes {
            let Some(next) = self.next() else { break };
            bytes += next.record.len();
            group.push(next);
        }
        group
    }

    /// Returns the next waiting request, unless it is an order, which comes after the current group.
    fn next(&mut self) -> Option<Request> {
        if self.order.is_some() {
            return None;
        }
        let next = self.queue.try_recv().ok()?;
        if next.is_order() {
            self.order = Some(next);
            return None;
        }
        Some(next)
    }

    fn commit(&mut self, group: Vec<Request>) -> Result<(), String> {
        let group = match self.room.look() {
            Level::Plenty => group,
            Level::Low => refuse_intake(group),
            Level::Least => self.wait_for_room(refuse_intake(group)),
        };
        let mut outcome = self.append(group);
        loop {
            match outcome {
                Ok(()) => return Ok(()),
                Err((Refusal::Broken(reason), _)) => return Err(reason),
                Err((Refusal::NoRoom, group)) => {
                    self.room.no_room();
                    let group = refuse_intake(group);
                    outcome = match self.append(group) {
                        // The reserve is used up too.
                        Err((Refusal::NoRoom, group)) => {
                            let group = self.wait_for_room(group);
                            self.append(group)
                        }
                        other => other,
                    };
                }
            }
        }
    }

    /// Holds the group back until the disk has space again. Nothing in it is acknowledged meanwhile, and new events are
    /// refused at once. If the store closes, the whole group is refused.
    fn wait_for_room(&mut self, mut group: Vec<Request>) -> Vec<Request> {
        tracing::error!("writing to the store: the disk is full and the reserve is used; free some space");
        loop {
            std::thread::sleep(LOOK_FOR_ROOM_EVERY);
            while let Some(next) = self.next() {
                group.extend(refuse_intake(vec![next]));
            }
            if self.queue.is_closed() && self.queue.is_empty() {
                group.drain(..).chain(self.order.take()).for_each(|request| request.refuse(Error::Full));
                return group;
            }
            if self.room.look() != Level::Least {
                return group;
            }
        }
    }

    fn append(&mut self, group: Vec<Request>) -> Result<(), (Refusal, Vec<Request>)> {
        if group.is_empty() {
            return Ok(());
        }
        // An order is the first record of its segment: what it concerns is in segments that may be rewritten.
        if group.first().is_some_and(Request::is_order)
            && let Err(refusal) = self.journal.end_segment()
        {
            return Err((refusal, group));
        }
        let records: Vec<_> = group.iter().map(|request| request.record.as_slice()).collect();
        let first = match self.journal.append(&records) {
            Ok(first) => first,
            Err(refusal) => return Err((refusal, group)),
        };
        let head = self.journal.head();
        let at = group.iter().filter_map(|request| request.body.at()).max();
        if let Err(error) = self.marker.advance(head, self.journal.place(), at) {
            return Err((Refusal::Broken(format!("writing the high-water mark: {error}")), Vec::new()));
        }
        let durable = group.into_iter().zip(first..).map(|(request, sequence)| {
            let done = match request.until {
                Until::Visible => Some(request.done),
                Until::Durable => {
                    drop(request.done.send(Ok(())));
                    None
                }
            };
            Durable { sequence, bytes: request.record.len(), body: request.body, done }
        });
        self.applier
            .send(Group { head, records: durable.collect() })
            .map_err(|_| (Refusal::Broken("the state accepts no more records".to_owned()), Vec::new()))
    }
}

fn refuse_intake(group: Vec<Request>) -> Vec<Request> {
    let (intake, rest): (Vec<_>, Vec<_>) = group.into_iter().partition(Request::takes_in);
    intake.into_iter().for_each(|request| request.refuse(Error::Full));
    rest
}

/// Applies records to the state.
pub(super) struct Applier {
    pub(super) dir: PathBuf,
    pub(super) state: Arc<State>,
    pub(super) options: Options,
    pub(super) groups: Receiver<Group>,
    pub(super) applied: watch::Sender<u64>,
    pub(super) cases: watch::Sender<u64>,
    pub(super) inbox: watch::Sender<u64>,
}

impl Applier {
    /// Handles errors and panics: marks the state for a rebuild at the next start.
    pub(super) fn run(self) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.work()));
        let reason = match outcome {
            // The thread that writes the state to the disk failed and reported it.
            Ok(Ok(()) | Err(Error::Closed)) => return,
            // The journal has what the disk lacks.
            Ok(Err(error)) if error.is_no_room() => {
                return tracing::warn!(%error, "the state on disk is behind the journal");
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "a panic while writing the state".to_owned(),
        };
        rebuild::suspect(&self.dir, &reason);
        (self.options.failure)(&reason);
    }

    fn work(&self) -> Result<(), Error> {
        while let Ok(group) = self.groups.recv() {
            self.apply(group)?;
        }
        self.state.sync()
    }

    fn apply(&self, group: Group) -> Result<(), Error> {
        let mut draft = Draft::new(&self.state);
        let mut waiting = Vec::new();
        let mut last = 0;
        let (mut beyond_inbox, mut fills_inbox) = (false, false);
        for record in group.records {
            beyond_inbox |= record.body.reaches_beyond_inbox();
            fills_inbox |= record.body.fills_inbox();
            projection::apply(&mut draft, record.sequence, record.body)?;
            draft.count(record.bytes);
            last = record.sequence;
            waiting.extend(record.done);
            if draft.len() >= BATCH {
                self.write(&mut draft, last, &mut waiting)?;
            }
        }
        draft.head = group.head;
        if last > self.state.meta().applied {
            self.write(&mut draft, last, &mut waiting)?;
        }
        if beyond_inbox {
            self.cases.send_replace(last);
        }
        if fills_inbox {
            self.inbox.send_replace(last);
        }
        Ok(())
    }

    fn write(
        &self,
        draft: &mut Draft<'_>,
        last: u64,
        waiting: &mut Vec<oneshot::Sender<Result<(), Error>>>,
    ) -> Result<(), Error> {
        draft.write(last)?;
        self.applied.send_replace(last);
        for done in waiting.drain(..) {
            drop(done.send(Ok(())));
        }
        Ok(())
    }
}
