//! The console: pages for people who decide cases and own policies. Every page calls the handlers of the API or the
//! handles behind them; what a page may show or change is decided there and by `http::Access`, never here.
//!
//! | file | what |
//! |---|---|
//! | `assets` | files that pages load, by addresses that contain their hash |
//! | `words` | times, ids and states as people read them |
//! | `templates` | the templates in `templates/`, compiled once |
//! | `nav` | the navigation |
//! | `visit` | one request of a signed-in person: who, when, where; renders a page for it |
//! | `refused` | pages for refused requests |
//! | `login` | signing in and out, one-time links |
//! | `settings` | the switch of the theme |
//! | `home` | what needs a person now |
//! | `cases` | the list of cases |
//! | `drawing` | a policy as a path |
//! | `admin` | pages for people who own policies |
//! | `case`, `evidence`, `timeline`, `live` | one case: decisions and orders; documents beside registrations; its journal in words; news |
//! | `queue`, `queue_turn` | reviews one after another |
//! | `people` | one person, and what cases hold |
//! | `limits` | what limits stopped |
//! | `form` | forms of pages |
//! | `routes` | every page, with the roles that it needs |

mod admin;
mod assets;
mod case;
mod cases;
mod drawing;
mod evidence;
mod form;
mod home;
mod limits;
mod live;
mod login;
mod nav;
mod people;
mod queue;
mod queue_turn;
mod refused;
mod routes;
mod settings;
mod templates;
mod timeline;
mod visit;
mod words;

pub use login::sign_in_link;
pub use routes::{Pages, pages};
