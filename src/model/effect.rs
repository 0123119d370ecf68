//! The table of effects: everything that a policy can do to a person or to another system. One row per effect. Words,
//! subjects, harm, limits, parking, lanes, allowed `act` results, and the texts of schema and documentation derive from
//! it. Start here to add an effect: a missing part elsewhere does not compile, or fails a test that names it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::action::Lane;
use super::subject::SubjectKind;
use super::subject::SubjectKind::{Applicant, Registration, User};

/// The kind of an effect's impact on the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// Takes permanently from a person who never had access.
    Ends,
    /// Withholds existing access.
    Withholds,
    /// Gives back only what this case itself withholds.
    Lifts,
    /// Gives access, or data that other systems treat as access.
    Gives,
    /// Asks for proof.
    Asks,
    /// Sends something to people or systems.
    Notifies,
}

impl Nature {
    pub const fn takes(self) -> bool {
        matches!(self, Self::Ends | Self::Withholds)
    }

    pub const fn gives(self) -> bool {
        matches!(self, Self::Lifts | Self::Gives)
    }

    /// Returns whether it protects others from a person of unknown identity.
    pub const fn protects(self) -> bool {
        matches!(self, Self::Withholds | Self::Asks)
    }
}

/// When an effect needs an earlier proof of identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeedsProof {
    Always,
    /// If a proof was requested and not given.
    IfAsked,
    Never,
}

/// The arguments of the verb in a policy, which determine how the effect is parsed, resolved and requested. A new shape
/// needs code in each of these places; a new effect of an existing shape is one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectShape {
    /// No arguments: one repeatable call at the identity provider.
    Account(AccountChange),
    /// The name of a role.
    Role(RoleChange),
    Approve,
    Reject,
    Delete,
    Suspend,
    Reinstate,
    Invite,
    Set,
    CreateUser,
    UpdateUser,
    Call,
    Emit,
    Verify,
    Notify,
}

/// Changes of an account without arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountChange {
    EndSessions,
    RemoveFactors,
}

impl AccountChange {
    pub const fn effect(self) -> EffectKind {
        match self {
            Self::EndSessions => EffectKind::EndSessions,
            Self::RemoveFactors => EffectKind::RemoveFactors,
        }
    }

    /// Returns the types of the events that the provider reports.
    pub const fn events(self) -> &'static [&'static str] {
        match self {
            Self::EndSessions => &["session.revoked"],
            Self::RemoveFactors => &["mfa.removed"],
        }
    }
}

/// Changes of the roles of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleChange {
    Hold,
    Release,
    Assign,
    Remove,
}

impl RoleChange {
    /// Returns whether the person has the role afterwards.
    pub const fn gives(self) -> bool {
        match self {
            Self::Release | Self::Assign => true,
            Self::Hold | Self::Remove => false,
        }
    }

    pub const fn effect(self) -> EffectKind {
        match self {
            Self::Hold => EffectKind::HoldRole,
            Self::Release => EffectKind::ReleaseRole,
            Self::Assign => EffectKind::AssignRole,
            Self::Remove => EffectKind::RemoveRole,
        }
    }
}

/// One row of the table.
#[derive(Debug)]
pub struct Row {
    /// The word in policies, configuration and the API.
    pub word: &'static str,
    /// The kinds of subject that it applies to.
    pub subjects: &'static [SubjectKind],
    /// The words of `subjects`.
    pub subject_words: &'static [&'static str],
    pub shape: EffectShape,
    pub nature: Nature,
    pub needs_proof: NeedsProof,
    /// The effect that gives back what this one takes.
    pub given_back_by: Option<EffectKind>,
    /// An edit that does more of it is parked by default.
    pub parked: bool,
    /// An `act` function may return it: it needs no proof from the loader, and it can be undone or repeated.
    pub act: bool,
    /// The lane of its call.
    pub lane: Lane,
    /// The effect is final: a case that ends does not give it back.
    pub settles: bool,
    /// For the schema and the documentation.
    pub doc: &'static str,
}

macro_rules! effects {
    ($($kind:ident { word: $word:literal, subjects: [$($subject:ident),*], $($rest:tt)* })*) => {
        /// A kind of effect, for limits and for parking edits. In display order, the most harmful first.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EffectKind { $($kind),* }

        impl EffectKind {
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];
            /// Every word, in the same order.
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            pub const fn row(self) -> &'static Row {
                match self {
                    $(Self::$kind => {
                        const ROW: Row = Row {
                            word: $word,
                            subjects: &[$($subject),*],
                            subject_words: &[$($subject.word()),*],
                            $($rest)*
                        };
                        &ROW
                    })*
                }
            }
        }
    };
}

effects! {
    Delete { word: "delete", subjects: [Registration, User],
        shape: EffectShape::Delete, nature: Nature::Ends, needs_proof: NeedsProof::Never, given_back_by: None,
        parked: true, act: false, lane: Lane::Identity, settles: true,
        doc: "Deletes the subject after grace." }
    Reject { word: "reject", subjects: [Registration],
        shape: EffectShape::Reject, nature: Nature::Ends, needs_proof: NeedsProof::Never, given_back_by: None,
        parked: true, act: false, lane: Lane::Identity, settles: true,
        doc: "Rejects a registration." }
    Suspend { word: "suspend", subjects: [User],
        shape: EffectShape::Suspend, nature: Nature::Withholds, needs_proof: NeedsProof::Never,
        given_back_by: Some(EffectKind::Reinstate),
        parked: true, act: true, lane: Lane::Identity, settles: true,
        doc: "Suspends the account; the hold belongs to the case." }
    RemoveRole { word: "remove_role", subjects: [User],
        shape: EffectShape::Role(RoleChange::Remove), nature: Nature::Withholds, needs_proof: NeedsProof::Never,
        given_back_by: Some(EffectKind::AssignRole),
        parked: true, act: true, lane: Lane::Identity, settles: true,
        doc: "Removes a role permanently." }
    HoldRole { word: "hold_role", subjects: [User],
        shape: EffectShape::Role(RoleChange::Hold), nature: Nature::Withholds, needs_proof: NeedsProof::Never,
        given_back_by: Some(EffectKind::ReleaseRole),
        parked: true, act: true, lane: Lane::Identity, settles: false,
        doc: "Withholds a role; the hold belongs to the case." }
    EndSessions { word: "end_sessions", subjects: [User],
        shape: EffectShape::Account(AccountChange::EndSessions), nature: Nature::Withholds,
        needs_proof: NeedsProof::Never, given_back_by: None,
        parked: true, act: true, lane: Lane::Identity, settles: false,
        doc: "Ends the person's open sessions." }
    RemoveFactors { word: "remove_factors", subjects: [User],
        shape: EffectShape::Account(AccountChange::RemoveFactors), nature: Nature::Withholds,
        needs_proof: NeedsProof::Never, given_back_by: None,
        parked: true, act: true, lane: Lane::Identity, settles: false,
        doc: "Removes the person's MFA factors at the identity provider." }
    Set { word: "set", subjects: [Registration, User],
        shape: EffectShape::Set, nature: Nature::Gives, needs_proof: NeedsProof::Never, given_back_by: None,
        parked: false, act: true, lane: Lane::Identity, settles: true,
        doc: "Sets attributes of the subject." }
    AssignRole { word: "assign_role", subjects: [User],
        shape: EffectShape::Role(RoleChange::Assign), nature: Nature::Gives, needs_proof: NeedsProof::IfAsked,
        given_back_by: None,
        parked: false, act: true, lane: Lane::Identity, settles: true,
        doc: "Assigns a role." }
    ReleaseRole { word: "release_role", subjects: [User],
        shape: EffectShape::Role(RoleChange::Release), nature: Nature::Lifts, needs_proof: NeedsProof::Always,
        given_back_by: None,
        parked: false, act: true, lane: Lane::Identity, settles: false,
        doc: "Assigns a withheld role again." }
    Reinstate { word: "reinstate", subjects: [User],
        shape: EffectShape::Reinstate, nature: Nature::Lifts, needs_proof: NeedsProof::Always, given_back_by: None,
        parked: false, act: true, lane: Lane::Identity, settles: true,
        doc: "Lifts the case's hold on the account." }
    Approve { word: "approve", subjects: [Registration],
        shape: EffectShape::Approve, nature: Nature::Gives, needs_proof: NeedsProof::Always, given_back_by: None,
        parked: false, act: false, lane: Lane::Identity, settles: true,
        doc: "Approves a registration." }
    Invite { word: "invite", subjects: [Registration, User],
        shape: EffectShape::Invite, nature: Nature::Gives, needs_proof: NeedsProof::IfAsked, given_back_by: None,
        parked: false, act: true, lane: Lane::Identity, settles: false,
        doc: "Sends the provider's invitation." }
    CreateUser { word: "create_user", subjects: [Registration, User, Applicant],
        shape: EffectShape::CreateUser, nature: Nature::Gives, needs_proof: NeedsProof::IfAsked, given_back_by: None,
        parked: false, act: true, lane: Lane::Provisioning, settles: true,
        doc: "Creates an account in a system." }
    UpdateUser { word: "update_user", subjects: [Registration, User, Applicant],
        shape: EffectShape::UpdateUser, nature: Nature::Gives, needs_proof: NeedsProof::Never, given_back_by: None,
        parked: false, act: true, lane: Lane::Provisioning, settles: true,
        doc: "Changes an account in a system." }
    Call { word: "call", subjects: [Registration, User, Applicant],
        shape: EffectShape::Call, nature: Nature::Notifies, needs_proof: NeedsProof::Never, given_back_by: None,
        parked: false, act: true, lane: Lane::Request, settles: false,
        doc: "Sends a request to an endpoint of proofd.yaml." }
    Emit { word: "emit", subjects: [Registration, User, Applicant],
        shape: EffectShape::Emit, nature: Nature::Notifies, needs_proof: NeedsProof::Never, given_back_by: None,
        parked: false, act: true, lane: Lane::Emit, settles: false,
        doc: "Sends a CloudEvent of this type." }
    Verify { word: "verify", subjects: [Registration, User, Applicant],
        shape: EffectShape::Verify, nature: Nature::Asks, needs_proof: NeedsProof::Never, given_back_by: None,
        parked: false, act: false, lane: Lane::VerificationStart, settles: false,
        doc: "Sends the person the link and waits for the result." }
    Notify { word: "notify", subjects: [Registration, User, Applicant],
        shape: EffectShape::Notify, nature: Nature::Notifies, needs_proof: NeedsProof::Never, given_back_by: None,
        parked: false, act: true, lane: Lane::Mail, settles: false,
        doc: "Sends a mail." }
}

impl EffectKind {
    pub const fn word(self) -> &'static str {
        self.row().word
    }

    pub const fn nature(self) -> Nature {
        self.row().nature
    }

    /// Returns the effect that gives back what this one takes.
    pub const fn given_back_by(self) -> Option<Self> {
        self.row().given_back_by
    }

    /// Returns the effect that takes what this one gives back.
    pub fn taken_by(self) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.given_back_by() == Some(self))
    }

    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.word() == word)
    }

    /// Returns whether it applies to this kind of subject.
    pub fn is_for(self, subject: SubjectKind) -> bool {
        self.row().subjects.contains(&subject)
    }

    /// Returns the effects that an `act` function may return.
    pub fn of_act() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|kind| kind.row().act)
    }
}

impl Serialize for EffectKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for EffectKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::of_word(&word).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|kind| kind.word()).collect();
            serde::de::Error::custom(format!("`{word}` is none of {}", known.join(", ")))
        })
    }
}

impl utoipa::PartialSchema for EffectKind {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        let word = utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::Type::String);
        word.enum_values(Some(Self::ALL.iter().map(|kind| kind.word()))).into()
    }
}

impl utoipa::ToSchema for EffectKind {}

/// What an edit may not do more of without a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    Effect(EffectKind),
    /// Ask fewer people for proof, or withhold less.
    ProtectLess,
}

impl Watched {
    const PROTECT_LESS: &'static str = "protect_less";

    /// Returns the default without configuration.
    pub fn by_default() -> Vec<Self> {
        let parked = EffectKind::ALL.iter().filter(|kind| kind.row().parked);
        parked.map(|kind| Self::Effect(*kind)).chain([Self::ProtectLess]).collect()
    }

    pub fn effect(self) -> Option<EffectKind> {
        match self {
            Self::Effect(kind) => Some(kind),
            Self::ProtectLess => None,
        }
    }

    /// Returns the word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Effect(kind) => kind.word(),
            Self::ProtectLess => Self::PROTECT_LESS,
        }
    }

    /// Returns every word that the configuration accepts.
    pub fn words() -> Vec<&'static str> {
        EffectKind::ALL.iter().map(|kind| kind.word()).chain([Self::PROTECT_LESS]).collect()
    }
}

impl<'de> Deserialize<'de> for Watched {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = std::borrow::Cow::<str>::deserialize(deserializer)?;
        match EffectKind::of_word(&word) {
            Some(kind) => Ok(Self::Effect(kind)),
            None if word == Self::PROTECT_LESS => Ok(Self::ProtectLess),
            None => Err(serde::de::Error::custom(format!(
                "unknown variant `{word}`, expected one of `{}`",
                Self::words().join("`, `")
            ))),
        }
    }
}

impl Serialize for Watched {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{AccountChange, EffectKind, EffectShape, RoleChange};

    #[test]
    fn the_rows_of_the_verb_table_are_consistent() {
        let words: BTreeSet<_> = EffectKind::ALL.iter().map(|kind| kind.word()).collect();
        assert_eq!(words.len(), EffectKind::ALL.len(), "a word names one effect");
        for kind in EffectKind::ALL {
            let row = kind.row();
            assert!(!row.subjects.is_empty() && row.doc.ends_with('.'), "{kind:?}");
            assert_eq!(EffectKind::of_word(row.word), Some(*kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), row.word);
            if let Some(back) = row.given_back_by {
                assert!(row.nature.takes() && back.nature().gives(), "{kind:?}");
                assert_eq!(back.taken_by(), Some(*kind));
            }
            assert!(!row.parked || row.nature.takes(), "{kind:?} is parked and takes nothing");
            match row.shape {
                EffectShape::Account(change) => assert_eq!(change.effect(), *kind),
                EffectShape::Role(change) => assert_eq!(change.effect(), *kind),
                EffectShape::Approve
                | EffectShape::Reject
                | EffectShape::Delete
                | EffectShape::Suspend
                | EffectShape::Reinstate
                | EffectShape::Invite
                | EffectShape::Set
                | EffectShape::CreateUser
                | EffectShape::UpdateUser
                | EffectShape::Call
                | EffectShape::Emit
                | EffectShape::Verify
                | EffectShape::Notify => {}
            }
        }
        let shaped = |shape: EffectShape| EffectKind::ALL.iter().any(|kind| kind.row().shape == shape);
        assert!(shaped(EffectShape::Account(AccountChange::EndSessions)));
        assert!(
            [RoleChange::Hold, RoleChange::Release, RoleChange::Assign, RoleChange::Remove]
                .into_iter()
                .all(|change| shaped(EffectShape::Role(change)))
        );
    }
}
