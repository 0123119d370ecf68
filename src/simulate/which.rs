//! Selection of simulators and their addresses.

use std::net::SocketAddr;

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use super::town::{Addresses, Credentials, Town};

/// One simulator, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Which {
    Onelogin,
    Jumio,
    Mail,
    Office,
    All,
}

impl Which {
    /// The addresses to listen on: consecutive ports from one address. Port 0 picks free ports.
    pub fn addresses(self, listen: SocketAddr) -> Addresses {
        let after = |steps: u16| match listen.port() {
            0 => listen,
            port => SocketAddr::new(listen.ip(), port.saturating_add(steps)),
        };
        match self {
            Self::All => Addresses {
                onelogin: after(0),
                jumio: after(1),
                smtp: after(2),
                mail_http: after(3),
                office: after(4),
            },
            Self::Onelogin => Addresses { onelogin: after(0), ..Addresses::default() },
            Self::Jumio => Addresses { jumio: after(0), ..Addresses::default() },
            Self::Office => Addresses { office: after(0), ..Addresses::default() },
            Self::Mail => Addresses { smtp: after(0), mail_http: after(1), ..Addresses::default() },
        }
    }

    fn shows(self, other: Self) -> bool {
        self == Self::All || self == other
    }

    /// The addresses of a running town, for programs that wait for it.
    pub fn running(self, town: &Town, credentials: &Credentials) -> Map<String, Value> {
        let mut up = Map::new();
        if self.shows(Self::Onelogin) {
            up.insert("onelogin".to_owned(), json!(town.onelogin_served.url));
        }
        if self.shows(Self::Jumio) {
            up.insert("jumio".to_owned(), json!(town.jumio_served.url));
        }
        if self.shows(Self::Mail) {
            up.insert("smtp".to_owned(), json!(format!("smtp://{}", town.mailbox_served.smtp)));
            up.insert("mail".to_owned(), json!(town.mailbox_served.web.url));
        }
        if self.shows(Self::Office) {
            up.insert("office".to_owned(), json!(town.office_served.url));
        }
        if self == Self::All {
            up.insert("connectors_yaml".to_owned(), json!(town.connectors_yaml(credentials)));
        }
        up
    }
}
