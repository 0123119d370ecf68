//! A simulated person: fills in the form, reads mail, presses the button and completes the vendor's page.
//! Uses only HTTP to reach the daemon, as a browser does.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::LOCATION;

use super::jumio::{Execution, Script};
use super::onelogin::{Form, Registered};
use super::town::Town;

/// Maximum number of requests to a page that asks to wait.
const LOOKS: u32 = 200;

/// A simulated person who registers.
#[derive(Debug, Clone)]
pub struct Applicant {
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    http: reqwest::Client,
}

/// The result of pressing the button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Led {
    /// A redirect to the vendor's page.
    Vendor { execution: String },
    /// A page of the daemon.
    Page(StatusCode, String),
}

/// Why a simulated person cannot continue.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    #[error("the form was refused: {0}")]
    Form(String),
    #[error("the page could not be reached: {0}")]
    Unreachable(String),
    #[error("the vendor's page is of no known session")]
    NoSession,
    #[error("the vendor refused: {0}")]
    Vendor(String),
    #[error("the vendor asks for a document, and this person came with a selfie only")]
    Document,
}

impl Applicant {
    pub fn new(first_name: &str, last_name: &str, email: &str) -> Result<Self, Lost> {
        // An error means that a provider is already installed in this process; that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .build()
            .map_err(|error| Lost::Unreachable(error.to_string()))?;
        Ok(Self {
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
            email: email.to_owned(),
            http,
        })
    }

    /// Fills in the form and confirms the address.
    pub fn register(&self, town: &Town) -> Result<Registered, Lost> {
        let form = Form {
            firstname: self.first_name.clone(),
            lastname: self.last_name.clone(),
            email: self.email.clone(),
            ..Form::default()
        };
        let registered = town.onelogin.register(form).map_err(|refused| Lost::Form(refused.to_string()))?;
        town.onelogin
            .verify_email(registered.registration_id)
            .map_err(|refused| Lost::Form(refused.to_string()))?;
        Ok(registered)
    }

    /// Number of mails sent to this person.
    pub fn mails(&self, town: &Town) -> usize {
        town.mailbox.mails().iter().filter(|mail| mail.to == self.email).count()
    }

    /// The daemon's link in the newest mail that contains one.
    pub fn link(&self, town: &Town) -> Option<String> {
        let mails = town.mailbox.mails();
        let mine = mails.iter().rev().filter(|mail| mail.to == self.email);
        mine.flat_map(|mail| &mail.links).find(|link| link.contains("/v/")).cloned()
    }

    /// Opens a link without pressing anything, as a mail scanner does.
    pub async fn look(&self, link: &str) -> Result<(StatusCode, String), Lost> {
        let answer = self.http.get(link).send().await.map_err(unreachable)?;
        let status = answer.status();
        Ok((status, answer.text().await.map_err(unreachable)?))
    }

    /// Presses the button and follows redirects to the vendor; a page that asks to wait is requested again.
    pub async fn press(&self, town: &Town, link: &str) -> Result<Led, Lost> {
        let mut answer = press(&self.http, link).await.map_err(unreachable)?;
        for _ in 0..LOOKS {
            let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok()).map(str::to_owned);
            let Some(to) = to else {
                let status = answer.status();
                let text = answer.text().await.map_err(unreachable)?;
                if !text.contains("http-equiv=\"refresh\"") {
                    return Ok(Led::Page(status, text));
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
                answer = self.http.get(format!("{link}?wait=1")).send().await.map_err(unreachable)?;
                continue;
            };
            if let Some(session) = town.jumio.at(&to) {
                return Ok(Led::Vendor { execution: session.execution });
            }
            if !to.contains("wait=") {
                return Err(Lost::NoSession);
            }
            answer = self.http.get(format!("{link}?wait=1")).send().await.map_err(unreachable)?;
        }
        Err(Lost::Unreachable("the waiting page never went on".to_owned()))
    }

    /// Completes the vendor's page with a scripted result. The document carries the registered name unless the
    /// script sets another one.
    pub fn prove(&self, town: &Town, execution: &str, mut script: Script) -> Result<(), Lost> {
        let fields = [("firstName", &self.first_name), ("lastName", &self.last_name)];
        for (field, name) in fields {
            script.extraction.entry(field).or_insert_with(|| name.to_uppercase().into());
        }
        self.finish(town, execution, script).map(drop)
    }

    /// Completes the vendor's page with a selfie only, for a person already enrolled there.
    pub fn prove_by_selfie(&self, town: &Town, execution: &str, script: Script) -> Result<Execution, Lost> {
        let one = town.jumio.execution(execution).ok_or(Lost::NoSession)?;
        if one.takes_document() {
            return Err(Lost::Document);
        }
        self.finish(town, execution, script)
    }

    /// Follows a link and proves identity with a selfie, as a re-verification requires. None: the daemon answered
    /// with a page instead of a redirect to the vendor.
    pub async fn reverify(&self, town: &Town, link: &str, script: Script) -> Result<Option<Execution>, Lost> {
        match self.press(town, link).await? {
            Led::Vendor { execution } => self.prove_by_selfie(town, &execution, script).map(Some),
            Led::Page(..) => Ok(None),
        }
    }

    fn finish(&self, town: &Town, execution: &str, script: Script) -> Result<Execution, Lost> {
        let refused = |error: super::jumio::Unknown| Lost::Vendor(error.to_string());
        town.jumio.open(execution).map_err(refused)?;
        town.jumio.finish(execution, Some(script)).map_err(refused)
    }
}

/// Reads the page of a link, agrees to its text if it asks for that, and presses the button.
pub async fn press(http: &reqwest::Client, link: &str) -> reqwest::Result<reqwest::Response> {
    let page = http.get(link).send().await?.text().await?;
    let agreed = agreement(&page).map(|version| ("agree", version));
    http.post(link).form(&agreed.as_slice()).send().await
}

/// Returns the version of the text to which a page asks the person to agree.
pub fn agreement(page: &str) -> Option<String> {
    let (_, rest) = page.split_once("name=\"agree\" value=\"")?;
    rest.split_once('"').map(|(version, _)| version.to_owned())
}

fn unreachable(error: reqwest::Error) -> Lost {
    Lost::Unreachable(error.without_url().to_string())
}
