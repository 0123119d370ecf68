//! The meanings of OneLogin's numeric event types: one table of data. Independent of the way events arrive.

use crate::model::SubjectKind;
use crate::model::SubjectKind::{Registration, User};

/// One row: the number, OneLogin's label, and our name for each kind of subject that it concerns. An empty name means
/// that only `onelogin.<number>` names it.
#[derive(Debug)]
pub struct Row {
    pub id: u32,
    pub label: &'static str,
    pub means: &'static [(SubjectKind, &'static str)],
    pub by: By,
}

/// The possible origin of the change, by OneLogin's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A person in the portal, or a mapping.
    Hand,
    /// Some API credential.
    Api,
    /// The label does not show it.
    Anybody,
}

const fn row(id: u32, label: &'static str, means: &'static [(SubjectKind, &'static str)]) -> Row {
    Row { id, label, means, by: By::Anybody }
}

const fn by_hand(id: u32, label: &'static str, means: &'static [(SubjectKind, &'static str)]) -> Row {
    Row { by: By::Hand, ..row(id, label, means) }
}

const fn by_api(id: u32, label: &'static str, means: &'static [(SubjectKind, &'static str)]) -> Row {
    Row { by: By::Api, ..row(id, label, means) }
}

const CREATED: &[(SubjectKind, &str)] = &[(User, "user.created")];
const ACTIVATED: &[(SubjectKind, &str)] = &[(User, "user.activated")];
const SUSPENDED: &[(SubjectKind, &str)] = &[(User, "user.suspended")];
const LOCKED: &[(SubjectKind, &str)] = &[(User, "user.locked")];
const GRANTED: &[(SubjectKind, &str)] = &[(User, "user.role_granted")];
const REVOKED: &[(SubjectKind, &str)] = &[(User, "user.role_revoked")];
const LOGGED_IN: &[(SubjectKind, &str)] = &[(User, "login.succeeded")];
const NOT_LOGGED_IN: &[(SubjectKind, &str)] = &[(User, "login.failed")];
/// OneLogin does not name the attribute; often not even that the change concerned one.
const CHANGED: &[(SubjectKind, &str)] = &[(User, "user.attribute_changed")];
/// Has a label, and is named by its number only.
const NAMED: &[(SubjectKind, &str)] = &[(User, "")];
const CREDENTIAL: &[(SubjectKind, &str)] = &[(User, "credential.changed")];
/// The record of a registration is a waiting account: deleting one deletes both.
const GONE: &[(SubjectKind, &str)] = &[(User, "user.deleted"), (Registration, "registration.deleted")];
const REQUESTED: &[(SubjectKind, &str)] = &[(Registration, "registration.created")];
const DENIED: &[(SubjectKind, &str)] = &[(Registration, "registration.withdrawn")];

pub const TABLE: &[Row] = &[
    row(4, "User assigned role", GRANTED),
    row(5, "User logged into OneLogin", LOGGED_IN),
    row(6, "User failed OneLogin login", NOT_LOGGED_IN),
    row(7, "User logged out of OneLogin", NAMED),
    row(10, "User requested new password", NAMED),
    row(11, "User changed password", CREDENTIAL),
    row(12, "User unlocked", NAMED),
    row(13, "User created", CREATED),
    row(14, "User updated", CHANGED),
    row(15, "User deactivated", &[(User, "user.deactivated")]),
    row(16, "User activated", ACTIVATED),
    row(17, "User deleted", GONE),
    row(19, "User locked", LOCKED),
    row(21, "User suspended", SUSPENDED),
    row(22, "User registered OTP device", &[(User, "mfa.enrolled")]),
    row(24, "User removed OTP device", &[(User, "mfa.removed")]),
    row(32, "User reactivated", ACTIVATED),
    row(33, "User imported", CREATED),
    row(36, "User lost OTP device", NAMED),
    row(37, "User requested join", REQUESTED),
    row(40, "User unlocked OTP device", NAMED),
    row(50, "User rejected", DENIED),
    row(72, "Privilege granted to user", NAMED),
    row(73, "Privilege revoked from user", NAMED),
    row(86, "User failed remote authentication", NOT_LOGGED_IN),
    row(100, "Self registration requested for user", REQUESTED),
    row(101, "Self registration approved for user", &[(Registration, "")]),
    row(102, "Self registration denied for user", DENIED),
    row(115, "User invited", NAMED),
    row(120, "User unlocked in directory", NAMED),
    row(122, "User authenticated via API", LOGGED_IN),
    row(123, "User failed authentication via API", NOT_LOGGED_IN),
    row(140, "User signed in with a social account", LOGGED_IN),
    row(141, "User failed to sign in with a social account", NOT_LOGGED_IN),
    by_hand(147, "Role manually added to user", GRANTED),
    by_hand(148, "Role manually removed from user", REVOKED),
    by_hand(149, "Role automatically added to user", GRANTED),
    by_hand(150, "Role automatically removed from user", REVOKED),
    by_api(510, "Password set via API", CREDENTIAL),
    by_api(511, "Password set via API", CREDENTIAL),
    by_api(512, "Custom attribute set via API", CHANGED),
    by_api(513, "Role added to user via API", GRANTED),
    by_api(514, "Role removed from user via API", REVOKED),
    by_api(516, "User logged out via API", &[(User, "session.revoked")]),
    by_api(529, "User updated via API", CHANGED),
    by_api(530, "User destroyed via API", GONE),
    by_api(531, "User locked via API", LOCKED),
    by_api(533, "User created via API", CREATED),
    by_api(535, "Invite link of user sent via API", NAMED),
    by_api(551, "User suspended via API", SUSPENDED),
    by_api(553, "User locked via API", LOCKED),
];

pub fn find(id: u32) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.id == id)
}

/// Returns the rows of an event type of ours.
pub fn naming(event: &'static str) -> impl Iterator<Item = &'static Row> {
    TABLE.iter().filter(move |row| row.means.iter().any(|(_, name)| *name == event))
}

#[cfg(test)]
mod tests {
    use super::TABLE;

    #[test]
    fn event_types_are_sorted_and_unique() {
        assert!(TABLE.windows(2).all(|pair| pair[0].id < pair[1].id));
    }
}
