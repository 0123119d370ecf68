//! The people of the demo, their actions, and the result that the policy promises for each.

use crate::simulate::jumio::{Outcome, Script};

/// A person's behavior after the invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Proves their identity at once.
    Passes,
    /// Sends a blurred picture first, then a good one.
    BlursFirst,
    /// Shows a manipulated document.
    Forges,
    /// Passes with a document in another name; the identity desk reviews and approves.
    OtherName,
    /// Is rejected for an unspecific reason; the support desk verifies the person manually.
    Unclear,
    /// Closes the vendor's page and returns two days later.
    WalksAway,
    /// Never responds.
    Silent,
    /// Has an address of a trusted domain; no case opens.
    Trusted,
}

/// The promised result for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// The result of the case; none: there is no case.
    pub result: Option<&'static str>,
    /// The registrant's record in OneLogin: the word of its state, or that it was deleted.
    pub onelogin: &'static str,
    pub invitations: u64,
}

#[derive(Debug, Clone, Copy)]
pub struct Person {
    pub first: &'static str,
    pub last: &'static str,
    pub email: &'static str,
    pub part: Part,
    pub about: &'static str,
    pub promise: Promise,
}

const APPROVED: Promise = Promise { result: Some("approved"), onelogin: "approved", invitations: 1 };

pub const CAST: &[Person] = &[
    Person {
        first: "Ada",
        last: "Lindqvist",
        email: "ada@partner.test",
        part: Part::Passes,
        about: "passes at once",
        promise: APPROVED,
    },
    Person {
        first: "Bruno",
        last: "Keller",
        email: "bruno@partner.test",
        part: Part::BlursFirst,
        about: "sends a blurred picture first",
        promise: APPROVED,
    },
    Person {
        first: "Carla",
        last: "Fuchs",
        email: "carla@partner.test",
        part: Part::Forges,
        about: "shows a manipulated document",
        promise: Promise { result: Some("rejected"), onelogin: "deleted", invitations: 0 },
    },
    Person {
        first: "Dmitri",
        last: "Sokolov",
        email: "dmitri@partner.test",
        part: Part::OtherName,
        about: "shows a document in another name; a reviewer decides",
        promise: APPROVED,
    },
    Person {
        first: "Hugo",
        last: "Laurent",
        email: "hugo@partner.test",
        part: Part::Unclear,
        about: "is rejected without a clear reason; the identity desk verifies by hand",
        promise: APPROVED,
    },
    Person {
        first: "Eve",
        last: "Moreau",
        email: "eve@partner.test",
        part: Part::WalksAway,
        about: "closes the page, and comes back two days later",
        promise: APPROVED,
    },
    Person {
        first: "Felix",
        last: "Braun",
        email: "felix@partner.test",
        part: Part::Silent,
        about: "never answers",
        promise: Promise { result: Some("expired"), onelogin: "deleted", invitations: 0 },
    },
    Person {
        first: "Grace",
        last: "Okafor",
        email: "grace@example.com",
        part: Part::Trusted,
        about: "comes from a trusted domain: the policy does not apply",
        promise: Promise { result: None, onelogin: "unapproved", invitations: 0 },
    },
];

impl Part {
    /// The person's script at the vendor on the n-th visit; none: no visit.
    pub fn script(self, visit: u32) -> Option<Script> {
        let reject = |label: &str| Script {
            outcome: Outcome::Reject,
            labels: vec![label.to_owned()],
            ..Script::default()
        };
        match (self, visit) {
            (Self::Passes | Self::WalksAway, _) | (Self::BlursFirst, 2..) => Some(Script::default()),
            (Self::BlursFirst, _) => Some(reject("usability:BLURRED")),
            (Self::Forges, _) => Some(reject("imageChecks:MANIPULATED_DOCUMENT")),
            (Self::Unclear, _) => Some(reject("dataChecks:MISMATCHING_DATAPOINTS")),
            (Self::OtherName, _) => {
                let mut script = Script::default();
                script.extraction.insert("lastName".to_owned(), "SOKOLOFF-IVANOV".into());
                Some(script)
            }
            (Self::Silent | Self::Trusted, _) => None,
        }
    }
}
