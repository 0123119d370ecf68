//! The seam to the console: its pages, and the address at which a person signs in. `demo` and `dev` print it, and the
//! first page of `dev` links to it.

use crate::config::Role;
use crate::console;
use crate::http::{AppState, Grant};
use crate::model::Actor;

/// Adds the console to what a daemon serves.
pub fn with_console(doors: AppState) -> Result<AppState, String> {
    Ok(doors.with_console(console::pages()?))
}

/// Returns a sign-in address of the console for an administrator; it works once. None if none can be made.
pub fn link(doors: &AppState, url: &str, who: &Actor) -> Option<String> {
    let grant = Grant::signed_in(who.clone(), [Role::Admin, Role::RawIdentity]);
    console::sign_in_link(doors, url, grant).ok()
}
