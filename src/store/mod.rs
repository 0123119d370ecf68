//! What is kept. An append-only journal is the truth, sled is the state that is read, and one committer
//! thread writes the journal while a second brings sled along. The only room that names sled; it knows no
//! network and keeps policy text as bytes.
//!
//! | file | what |
//! |---|---|
//! | `handle` | an open store, as other rooms hold it |
//! | `error` | what can fail |
//! | `directory` | the lock, the secret, and where the parts of a store lie |
//! | `commit` | what one commit, and any record, may hold |
//! | `shape` | how everything is written, in versions |
//! | `codec` | the check of a value |
//! | `values` | values of the state that only the store reads |
//! | `journal` | segments of framed, chained, packed records |
//! | `mark` | the end of the journal, kept outside of it |
//! | `loss` | what the mark or the state knows and the journal does not hold; a loss that was accepted |
//! | `committer` | the thread that groups commits, and the one that applies them |
//! | `keys` | how a key is spelled, so that its order is the order of a listing |
//! | `state` | the one sled tree: checked values, batches, scans |
//! | `recent` | the cases that were written last, read already |
//! | `projection` | what a record does to the state |
//! | `asked` | what policies said, by person and by policy |
//! | `sweeps` | how far sweeps are |
//! | `requests` | changes that were asked for under a key |
//! | `idempotency` | marks the commits of such a change |
//! | `reads` | the questions that other rooms ask |
//! | `history` | the whole journal, read again while the store is open |
//! | `opening` | a directory becomes a store |
//! | `pruning` | what was set aside goes after a time |
//! | `rebuild` | sled from the journal |
//! | `verify` | the comparison of the two |
//! | `salvage` | a store goes on without damaged records |
//! | `reserve` | room that is kept for the time when the disk is full |
//! | `room` | free space, and what is refused when it runs low |
//! | `options` | sizes, and the hooks that tests replace |

mod asked;
mod codec;
mod commit;
mod committer;
mod directory;
mod error;
mod handle;
mod history;
mod idempotency;
mod journal;
mod keys;
mod loss;
mod mark;
mod opening;
mod options;
mod projection;
mod pruning;
mod reads;
mod rebuild;
mod recent;
mod requests;
mod reserve;
mod room;
mod salvage;
mod shape;
mod state;
mod sweeps;
mod values;
mod verify;

pub use commit::{
    About, AcceptedLoss, Answer, Asked, Changed, Class, Commit, Consumed, Deferred, Enrolled, Examined,
    FirstSeen, Holding, Keyed, Loss, PolicyDeed, PolicyOrder, PolicyVerdict, StoredRevision, SweepChange,
    SweepPart, SweepRun, SweepState, Waiting, kept_for,
};
pub use directory::secret;
pub use error::Error;
pub use handle::Store;
pub use idempotency::{Requests, to_its_end};
pub use journal::Head;
pub use loss::{Marked, accept_loss, head, holds};
pub use opening::Opened;
pub use options::{Act, Options};
pub use reads::{CaseFilter, is_cursor};
pub use rebuild::{Before, Witness};
pub use salvage::{Salvaged, salvage, salvage_with};
pub use shape::page;
pub use verify::{Report, verify, verify_with};
