//! Rollout: which policies run. Loads the policy tree, tests and back-tests edits, and parks edits that a person has to
//! release. Keeps revisions and publishes the running set as one swap. Reads cases from the store and never changes
//! one; has no access to connectors or HTTP.
//!
//! | file | what |
//! |---|---|
//! | `settings` | settings of the rollout, fixed at start |
//! | `tree`, `watch` | policy files from the disk, and when they change |
//! | `load` | builds tested policies from a tree |
//! | `reload` | one reload, from files to the swap |
//! | `report` | the result of a reload |
//! | `active` | the running set, and where it is published |
//! | `compiled` | stored revisions, compiled; why one is unloadable |
//! | `active_revision` | the active revision of each policy: the tree's, the last good one, or the target of a revert |
//! | `departure` | policies that left the tree, and edits that need no release |
//! | `choice` | the choice of revisions, as data |
//! | `edited` | one policy before and after an edit |
//! | `back_test`, `back_tested` | what edits would have done with recorded events |
//! | `edit_gate` | edits wait while they are back-tested, and while the back-test has reasons against them |
//! | `plan` | what activating another tree would do |
//! | `shadow` | the shadow report: the back-test of a policy next to those that run |
//! | `catalog` | looks up and shows revisions |
//! | `orders`, `releasing` | releases revisions and reverts to older ones; who may release |
//! | `unloadable` | open cases whose revision no longer loads |
//! | `view` | converts core types to types of the API |

mod active;
mod active_revision;
mod back_test;
mod back_tested;
mod catalog;
mod choice;
mod compiled;
mod departure;
mod edit_gate;
mod edited;
mod load;
mod orders;
mod plan;
mod releasing;
mod reload;
mod report;
mod settings;
mod shadow;
pub mod tree;
mod unloadable;
mod view;
mod watch;

use std::sync::Arc;

use tokio::sync::watch as signal;

use crate::case::Case;
use crate::model::Clock;
use crate::policy::{Loader, Policy};
use crate::store::{self, Requests, Store};
use crate::trial::Terms;

pub use active::Active;
pub use back_test::BackTester;
pub use back_tested::{BackTest, BackTests, OnProgress, Progress, Span, Wanted};
pub use catalog::{Catalog, Gone, NoRevision};
pub use compiled::{PolicyError, Revisions};
pub use edited::{Edited, Newly};
pub use orders::Orders;
pub use plan::{Moved, Planner};
pub use reload::Reload;
pub use report::{Observer, PolicyState, PolicyStatus, Report};
pub use settings::Settings;
pub use shadow::Shadows;
pub use unloadable::{UnloadableCases, Usable};

/// The parts of the program that the rollout uses.
#[derive(Debug)]
pub struct Uses {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub requests: Requests,
    pub observer: Arc<dyn Observer>,
    /// The settings of decisions; a back-test uses the same.
    pub terms: Terms,
    /// True once the daemon stops: long work is abandoned.
    pub stop: signal::Receiver<bool>,
}

/// Handles on the running policies, each for one purpose. Clones share their state.
#[derive(Debug, Clone)]
pub struct Rollout {
    running: active::Running,
    pub revisions: Revisions,
    pub reload: Reload,
    pub back_tester: BackTester,
    pub planner: Planner,
    pub catalog: Catalog,
    pub orders: Orders,
    pub shadows: Shadows,
    pub unloadable: UnloadableCases,
}

impl Rollout {
    /// Loads the policies: the tree's, or the last good ones of the store.
    pub async fn open(settings: Settings, uses: Uses) -> Result<Self, store::Error> {
        let Uses { store, clock, requests, observer, terms, stop } = uses;
        let (release_by_other, all_or_nothing) = (settings.release_by_other, settings.all_or_nothing);
        let rules = edit_gate::Rules { watched: settings.park.clone(), above: settings.park_above };
        let loader = Arc::new(Loader::new(settings.known.clone()));
        let running = active::Running::default();
        let revisions = Revisions::new(store.clone(), settings.known.clone(), running.clone());
        let back_tester =
            BackTester::new(store.clone(), Arc::clone(&clock), revisions.clone(), terms, settings.look_back);
        let pushes = releasing::Pushes::default();
        let reload = Reload::new(reload::Parts {
            settings,
            store: store.clone(),
            clock: Arc::clone(&clock),
            running: running.clone(),
            revisions: revisions.clone(),
            gate: edit_gate::EditGate::new(rules.clone()),
            back_tester: back_tester.clone(),
            pushes: pushes.clone(),
            observer: Arc::clone(&observer),
            stop: stop.clone(),
            loader: Arc::clone(&loader),
            attempted: tokio::sync::Mutex::default(),
        });
        let catalog =
            Catalog { store: store.clone(), running: running.clone(), revisions: revisions.clone() };
        let rollout = Self {
            unloadable: UnloadableCases::new(store.clone(), revisions.clone()),
            planner: Planner {
                store: store.clone(),
                clock: Arc::clone(&clock),
                running: running.clone(),
                revisions: revisions.clone(),
                back_tester: back_tester.clone(),
                rules,
                loader,
                all_or_nothing,
                stop: stop.clone(),
            },
            shadows: Shadows { running: running.clone(), back_tester: back_tester.clone(), stop },
            orders: Orders {
                store,
                clock,
                requests,
                running: running.clone(),
                catalog: catalog.clone(),
                reload: reload.clone(),
                pushes,
                observer,
                release_by_other,
            },
            running,
            revisions,
            reload,
            back_tester,
            catalog,
        };
        rollout.reload.start().await?;
        Ok(rollout)
    }

    /// Returns the policies that run now.
    pub fn active(&self) -> Arc<Active> {
        self.running.load()
    }

    /// Returns the policy of a case at the revision that the case opened with. An error explains what to do.
    pub fn policy_of(&self, case: &Case) -> Result<Arc<Policy>, PolicyError> {
        self.revisions.of_case(case)
    }
}
