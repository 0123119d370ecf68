//! Performs a call with one connector, as the daemon does.

use std::sync::Arc;

use proofd::connectors::Connectors;
use proofd::connectors::endpoint::Endpoint;
use proofd::connectors::jumio::Jumio;
use proofd::connectors::onelogin::OneLogin;
use proofd::connectors::scim::Scim;
use proofd::connectors::sink::Sink;
use proofd::connectors::smtp::Smtp;
use proofd::model::{Action, Attempt, Call, CallId, CaseId, Outcome, Timestamp};

/// Builds connectors with one connector under the name that the call uses.
pub trait Alone {
    fn alone(self: &Arc<Self>, name: &str) -> Connectors;
}

macro_rules! alone {
    ($($connector:ty => |$it:ident, $name:ident| $fields:tt,)+) => { $(
        impl Alone for $connector {
            fn alone(self: &Arc<Self>, $name: &str) -> Connectors {
                let $it = Arc::clone(self);
                alone!(@ $fields)
            }
        }
    )+ };
    (@ { $($field:ident: $value:expr),+ }) => { Connectors { $($field: $value,)+ ..Connectors::default() } };
}

alone! {
    OneLogin => |it, name| { identity: [(name.to_owned(), it as _)].into() },
    Jumio => |it, name| { verification: [(name.to_owned(), it as _)].into() },
    Smtp => |it, _name| { mail: Some(it as _) },
    Scim => |it, name| { systems: [(name.to_owned(), it as _)].into() },
    Endpoint => |it, name| {
        systems: [(name.to_owned(), Arc::clone(&it) as _)].into(),
        endpoints: [(name.to_owned(), it as _)].into()
    },
    Sink => |it, name| { sinks: [(name.to_owned(), it as _)].into() },
}

pub async fn perform_at<C: Alone>(connector: &Arc<C>, call: &Call) -> Outcome {
    connector.alone(call.action.target().name()).perform(call).await
}

/// An attempt of a call that was requested at `asked_at`; a second attempt is in doubt about the first.
pub fn attempt(case: &str, number: u32, attempt: u32, asked_at: Timestamp) -> Attempt {
    let call = CallId { case: CaseId(case.to_owned()), number };
    Attempt { call, number: attempt, in_doubt: attempt > 1, asked_at }
}

/// The first attempt of an old call.
pub fn first(action: Action) -> Call {
    Call { attempt: attempt("c1", 1, 1, Timestamp::UNIX_EPOCH), action }
}
