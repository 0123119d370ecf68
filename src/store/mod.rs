//! The store. An append-only journal is the source of truth; sled holds derived state for reads. One thread writes the
//! journal, a second one updates the state in memory, and a third one writes it to sled. The only room that uses sled; independent of the network. Policy text is
//! stored as bytes.
//!
//! | file | what |
//! |---|---|
//! | `handle` | an open store, as other rooms hold it |
//! | `error` | errors |
//! | `disk` | changes of files that must survive a power cut |
//! | `directory` | the lock, the secret, and the paths of a store's parts |
//! | `commit` | content of a commit, and of any record |
//! | `shape` | the versioned format of all stored data |
//! | `codec` | the check of stored bytes |
//! | `values` | values of the state that only the store reads |
//! | `journal` | segments of framed, chained, packed records |
//! | `mark` | the end of the journal, stored outside of it |
//! | `loss` | records that the mark or the state knows and the journal lacks; accepted losses |
//! | `committer` | the thread that groups commits, and the one that applies them |
//! | `keys` | key encoding, which defines the order of listings |
//! | `state` | values by key: layers in memory above packed blocks in sled |
//! | `index` | the keys by which a case is found |
//! | `projection` | applies a record to the state |
//! | `asked` | the decision log, by time and by person |
//! | `sweeps` | progress of sweeps |
//! | `requests` | changes requested with an idempotency key |
//! | `idempotency` | marks the commits of such a change |
//! | `reads` | queries for other rooms |
//! | `history` | reads the whole journal while the store is open |
//! | `opening` | opens or creates a store in a directory |
//! | `pruning` | removes old files that were set aside |
//! | `rebuild` | builds sled from the journal |
//! | `redact` | removes data of people from records and the state |
//! | `forget` | removes it from the files, as orders demand |
//! | `verify` | compares the journal with the state |
//! | `salvage` | repairs a store without its damaged records |
//! | `backup` | backups of an open or closed store; restoring them |
//! | `export` | a store as JSON Lines, and back |
//! | `reserve` | reserved space for a full disk |
//! | `room` | free space, and refusals when it runs low |
//! | `sizes` | sizes of the files |
//! | `thread` | starts a thread |
//! | `outside` | data of backups and exports |
//! | `options` | sizes, and the hooks that tests replace |

mod asked;
mod backup;
mod codec;
mod commit;
mod committer;
mod directory;
mod disk;
mod error;
mod export;
mod forget;
mod handle;
mod history;
mod idempotency;
mod index;
mod journal;
mod keys;
mod loss;
mod mark;
mod opening;
mod options;
mod outside;
mod projection;
mod pruning;
mod reads;
mod rebuild;
mod redact;
mod requests;
mod reserve;
mod room;
mod salvage;
mod shape;
mod sizes;
mod state;
mod sweeps;
mod thread;
mod values;
mod verify;

pub use backup::{BackedUp, Restored, backup, restore, verify_backup};
pub use commit::{
    About, AcceptedLoss, Answer, Asked, AskedAbout, AskedOf, Changed, Class, Commit, Consumed, Deferred,
    Deletion, Enrolled, Examined, FirstSeen, Fulfilled, Holding, Inputs, Keyed, Loss, PolicyDeed,
    PolicyOrder, PolicyVerdict, Redact, Redaction, StoredRevision, SweepChange, SweepPart, SweepRun,
    SweepState, VendorAccount, Waiting, kept_for,
};
pub use directory::{in_use, secret};
pub use disk::{Change, Observer, observe};
pub use error::Error;
pub use export::{Exported, export, import};
pub use forget::{Done, Leftovers, Place, search};
pub use handle::Store;
pub use idempotency::{Requests, to_its_end};
pub use journal::Head;
pub use loss::{Marked, accept_loss, head, holds};
pub use opening::Opened;
pub use options::{Act, Options};
pub use reads::{CaseFilter, KeptCase, LastAsked, Queue, is_cursor};
pub use rebuild::{Before, Witness};
pub use salvage::{Salvaged, salvage, salvage_with};
pub use shape::page;
pub use sizes::Sizes;
pub use verify::{Report, verify, verify_with};
