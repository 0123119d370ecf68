//! All simulators with one clock and one ledger, for the demo, the tests and `proofd simulate`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::ledger::Ledger;
use super::{Serving, jumio, mailbox, office, onelogin};
use crate::model::Clock;

/// The simulators and their servers; dropping it stops them.
#[derive(Debug)]
pub struct Town {
    pub onelogin: onelogin::Simulator,
    pub jumio: jumio::Simulator,
    pub mailbox: mailbox::Mailbox,
    pub office: office::Office,
    pub ledger: Ledger,
    pub onelogin_served: Serving,
    pub jumio_served: Serving,
    pub mailbox_served: mailbox::Serving,
    pub office_served: Serving,
}

/// Credentials that the simulators accept.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub client_id: String,
    pub client_secret: String,
}

impl Default for Credentials {
    fn default() -> Self {
        Self { client_id: "sim-client".to_owned(), client_secret: "sim-secret".to_owned() }
    }
}

/// Addresses of the servers; port 0 picks a free port.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    pub onelogin: SocketAddr,
    pub jumio: SocketAddr,
    pub smtp: SocketAddr,
    pub mail_http: SocketAddr,
    pub office: SocketAddr,
}

impl Default for Addresses {
    fn default() -> Self {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { onelogin: free, jumio: free, smtp: free, mail_http: free, office: free }
    }
}

/// Custom attributes that the town's configuration and the shipped policies use.
const ATTRIBUTES: [&str; 7] = [
    "idv_status",
    "idv_verified_at",
    "idv_exempt_until",
    "idv_service_account",
    "sponsor",
    "partner_sponsor",
    "partner_proven_at",
];

/// Gives each document the name of its holder: the link in the return address of a session was mailed to the person.
fn documents(mailbox: &mailbox::Mailbox, onelogin: &onelogin::Simulator) -> jumio::Directory {
    let (mailbox, onelogin) = (mailbox.clone(), onelogin.clone());
    jumio::Directory::new(move |order| {
        let (first_name, last_name) =
            onelogin.name_of(&mailbox.recipient_of(order.success_url.as_deref()?)?)?;
        Some(jumio::Holder { first_name, last_name })
    })
}

impl Town {
    pub async fn serve(
        addresses: Addresses,
        credentials: &Credentials,
        clock: Arc<dyn Clock>,
        ledger: Ledger,
    ) -> io::Result<Self> {
        let onelogin = onelogin::Simulator::new(
            onelogin::Options {
                client_id: credentials.client_id.clone(),
                client_secret: credentials.client_secret.clone(),
                custom_attributes: ATTRIBUTES.map(str::to_owned).into(),
                ..onelogin::Options::default()
            },
            Arc::clone(&clock),
            ledger.clone(),
        );
        let jumio = jumio::Simulator::new(
            jumio::Options {
                client_id: credentials.client_id.clone(),
                client_secret: credentials.client_secret.clone(),
                seed: 1,
            },
            Arc::clone(&clock),
            ledger.clone(),
        );
        let mailbox = mailbox::Mailbox::new(Arc::clone(&clock), ledger.clone());
        let office = office::Office::new(clock, ledger.clone());
        jumio.know(documents(&mailbox, &onelogin));
        Ok(Self {
            onelogin_served: onelogin.serve(addresses.onelogin).await?,
            jumio_served: jumio.serve(addresses.jumio).await?,
            mailbox_served: mailbox.serve(addresses.smtp, addresses.mail_http).await?,
            office_served: office.serve(addresses.office).await?,
            onelogin,
            jumio,
            mailbox,
            office,
            ledger,
        })
    }

    /// The `connectors:` section of a `proofd.yaml` for this town.
    pub fn connectors_yaml(&self, credentials: &Credentials) -> String {
        let (onelogin, jumio, smtp) =
            (&self.onelogin_served.url, &self.jumio_served.url, self.mailbox_served.smtp);
        let office = &self.office_served.url;
        let hris = office::TOKEN;
        let Credentials { client_id, client_secret } = credentials;
        format!(
            "connectors:
  onelogin:
    url: {onelogin}
    client_id: {client_id}
    client_secret: {client_secret}
    webhook: {{header: Authorization, value: Bearer sim-webhook}}
    attributes: {{verified_at: idv_verified_at, exempt_until: idv_exempt_until, service_account: idv_service_account}}
  jumio:
    urls: {{auth: {jumio}/auth, account: {jumio}/account, retrieval: {jumio}/retrieval}}
    client_id: {client_id}
    client_secret: {client_secret}
    callback_secret: sim-callback
  smtp:
    url: smtp://{smtp}
    from: Example IAM <iam@example.com>
  scim:
    hris: {{url: {office}/scim/v2, token: {hris}}}
  http:
    ticketing: {{url: {office}/ticketing}}
    paging: {{url: {office}/paging}}
  events:
    siem: {{url: {office}/events}}
"
        )
    }

    /// Configures OneLogin to broadcast its events to the daemon at this address.
    pub fn broadcast_to(&self, daemon: &str) {
        let url = format!("{daemon}/hooks/onelogin");
        self.onelogin.turn(|knobs| {
            knobs.webhook.url = Some(url);
            knobs.webhook.headers.insert("Authorization".to_owned(), "Bearer sim-webhook".to_owned());
        });
    }
}
