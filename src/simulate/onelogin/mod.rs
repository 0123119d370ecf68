//! A OneLogin tenant in a process: tokens, users, roles, self-registration, events and broadcasts. It behaves
//! like a real tenant and has a knob for each known failure. It shares no code with the connector and must not
//! know the daemon.

mod access;
mod answer;
mod api_profiles;
mod api_roles;
mod api_users;
mod api_v1;
mod control;
mod courier;
mod crowd;
mod events;
mod factors;
mod gate;
mod knobs;
mod lifecycle;
mod list;
mod mappings;
mod page;
mod page_people;
mod registration;
mod simulator;
mod tenant;
mod text;
mod user;

pub use control::{Edit, Happening, Login};
pub use crowd::{Ages, Crowd};
pub use knobs::{Knobs, Moment, Scope, TokenBurst, Webhook, WebhookFormat};
pub use registration::{Form, Registered};
use simulator::Inner;
pub use simulator::{Mistake, Options, Simulator};
