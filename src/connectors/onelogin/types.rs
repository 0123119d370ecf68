//! What OneLogin's numeric event types mean to us: one table of data. It must not know how events arrive.

use crate::model::SubjectKind;
use crate::model::SubjectKind::{Registration, User};

/// One row: the number, OneLogin's label of it, and what it is called here, for each kind of subject that
/// it says something about. An empty name means that only `onelogin.<number>` names it.
#[derive(Debug)]
pub struct Row {
    pub id: u32,
    pub label: &'static str,
    pub means: &'static [(SubjectKind, &'static str)],
}

const fn row(id: u32, label: &'static str, means: &'static [(SubjectKind, &'static str)]) -> Row {
    Row { id, label, means }
}

const CREATED: &[(SubjectKind, &str)] = &[(User, "user.created")];
const ACTIVATED: &[(SubjectKind, &str)] = &[(User, "user.activated")];
const SUSPENDED: &[(SubjectKind, &str)] = &[(User, "user.suspended")];
const LOCKED: &[(SubjectKind, &str)] = &[(User, "user.locked")];
const GRANTED: &[(SubjectKind, &str)] = &[(User, "user.role_granted")];
const REVOKED: &[(SubjectKind, &str)] = &[(User, "user.role_revoked")];
const CREDENTIAL: &[(SubjectKind, &str)] = &[(User, "credential.changed")];
/// The record of a registration is an account that waits, so the end of one is the end of both.
const GONE: &[(SubjectKind, &str)] = &[(User, "user.deleted"), (Registration, "registration.deleted")];
const REQUESTED: &[(SubjectKind, &str)] = &[(Registration, "registration.created")];
const DENIED: &[(SubjectKind, &str)] = &[(Registration, "registration.withdrawn")];

pub const TABLE: &[Row] = &[
    row(4, "User assigned role", GRANTED),
    row(5, "User logged into OneLogin", &[(User, "login.succeeded")]),
    row(6, "User failed OneLogin login", &[(User, "login.failed")]),
    row(11, "User changed password", CREDENTIAL),
    row(13, "User created", CREATED),
    row(15, "User deactivated", &[(User, "user.deactivated")]),
    row(16, "User activated", ACTIVATED),
    row(17, "User deleted", GONE),
    row(19, "User locked", LOCKED),
    row(21, "User suspended", SUSPENDED),
    row(22, "User registered OTP device", &[(User, "mfa.enrolled")]),
    row(24, "User removed OTP device", &[(User, "mfa.removed")]),
    row(32, "User reactivated", ACTIVATED),
    row(37, "User requested join", REQUESTED),
    row(50, "User rejected", DENIED),
    row(100, "Self registration requested for user", REQUESTED),
    row(101, "Self registration approved for user", &[(Registration, "")]),
    row(102, "Self registration denied for user", DENIED),
    row(147, "Role manually added to user", GRANTED),
    row(148, "Role manually removed from user", REVOKED),
    row(149, "Role automatically added to user", GRANTED),
    row(150, "Role automatically removed from user", REVOKED),
    row(510, "Password set via API", CREDENTIAL),
    row(511, "Password set via API", CREDENTIAL),
    row(512, "Custom attribute set via API", &[(User, "user.attribute_changed")]),
    row(513, "Role added to user via API", GRANTED),
    row(514, "Role removed from user via API", REVOKED),
    row(516, "User logged out via API", &[(User, "session.revoked")]),
    row(530, "User destroyed via API", GONE),
    row(531, "User locked via API", LOCKED),
    row(533, "User created via API", CREATED),
    row(551, "User suspended via API", SUSPENDED),
    row(553, "User locked via API", LOCKED),
];

pub fn find(id: u32) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.id == id)
}

#[cfg(test)]
mod tests {
    use super::TABLE;

    #[test]
    fn the_table_is_sorted_and_has_each_number_once() {
        assert!(TABLE.windows(2).all(|pair| pair[0].id < pair[1].id));
    }
}
