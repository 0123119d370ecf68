//! The published standard workflows by key: their credentials and capabilities. This module must not know
//! executions.

use super::knobs::Knobs;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    /// A face that passed liveness on the account.
    Face,
    /// A usable ID on the account, named by its id.
    NamedId,
    /// A usable ID on the account, by default the latest.
    AnyId,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub credentials: &'static [&'static str],
    pub capabilities: &'static [&'static str],
    pub web: bool,
    pub sdk: bool,
    pub api: bool,
    pub needs: Needs,
    /// Whether the result has a decision, a risk score and steps.
    pub kyx: bool,
}

impl Plan {
    pub fn runs(&self, capability: &str) -> bool {
        self.capabilities.contains(&capability)
    }

    pub fn authenticates(&self) -> bool {
        self.runs("authentication")
    }

    /// Whether the person must show a document.
    pub fn takes_document(&self) -> bool {
        self.credentials.contains(&"ID") && self.needs == Needs::Nothing
    }
}

const ID: &[&str] = &["ID"];
const FULL: &[&str] = &["ID", "SELFIE", "FACEMAP"];
const FACE: &[&str] = &["SELFIE", "FACEMAP"];
const FULL_CHECKS: &[&str] =
    &["extraction", "similarity", "liveness", "dataChecks", "imageChecks", "usability"];
const SCREENED: &[&str] =
    &["extraction", "similarity", "liveness", "dataChecks", "imageChecks", "usability", "watchlistScreening"];

/// The plan of a key; `None` for a key that the tenant does not have.
pub(super) fn plan(key: u32, knobs: &Knobs) -> Option<Plan> {
    let every = |credentials, capabilities| Plan {
        credentials,
        capabilities,
        web: true,
        sdk: true,
        api: true,
        needs: Needs::Nothing,
        kyx: key >= 10_000,
    };
    let plan = match key {
        1 => every(ID, &["usability", "extraction"]),
        2 => every(ID, &["usability", "imageChecks", "extraction", "dataChecks"]),
        3 | 10_011 | 10_163 | 10_164 | 10_549 => every(FULL, FULL_CHECKS),
        32 | 10_013 => every(FULL, SCREENED),
        5 => Plan {
            web: false,
            sdk: false,
            needs: Needs::NamedId,
            ..every(&["ID", "SELFIE"], &["usability", "similarity"])
        },
        6 => Plan { web: false, ..every(FACE, &["usability", "liveness"]) },
        9 | 10_014 => {
            Plan { api: false, needs: Needs::Face, ..every(FACE, &["usability", "authentication"]) }
        }
        20 => Plan { web: false, sdk: false, ..every(&["ID", "SELFIE"], &["usability", "similarity"]) },
        10_170 => Plan { web: false, sdk: false, ..every(&["DOCUMENT", "DATA"], &[]) },
        10_172 => every(ID, &["usability", "extraction"]),
        other if knobs.existing_id_keys.contains(&other) => Plan {
            web: knobs.existing_id_on_web,
            needs: Needs::AnyId,
            ..every(FULL, &["usability", "liveness", "similarity"])
        },
        _ => return None,
    };
    Some(plan)
}
