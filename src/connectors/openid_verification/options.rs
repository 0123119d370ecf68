//! `connectors.openid_verification` of the configuration, and the vocabulary of its providers.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::{OpenId, Settings, is_safe};
use crate::config::SecretSource;
use crate::connectors::options::{Site, Target};
use crate::connectors::registry::Provider;
use crate::connectors::{Results, VerificationOptions, VerificationProvider, http, options};
use crate::model::{Method, Pattern, Span, VerificationWords};

pub const PROVIDER: Provider = Provider::verification::<Options>(
    "openid_verification",
    VerificationWords {
        checks: &[
            "given_name",
            "family_name",
            "middle_name",
            "birthdate",
            "email",
            "phone_number",
            "address",
            "place_of_birth",
            "nationalities",
        ],
        workflow: Pattern {
            regex: "[!#-\\[\\]-~]+",
            matches: |text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\'),
            expected: "a scope that selects the vendor's flow, such as idv_flow_7; `openid` for a vendor with one",
        },
        methods: &[Method::Full],
        must_require: true,
    },
)
.several();

/// An OpenID provider that verifies people.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OpenIdVerification")]
pub struct Options {
    /// Exactly as the provider writes it in its tokens. Its metadata is read below it.
    pub issuer: String,
    /// Addresses, for a provider without metadata.
    #[serde(default)]
    pub endpoints: Option<Endpoints>,
    /// Client id that the provider issued. Its redirect address is `PUBLIC_URL/return/NAME`.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: SecretSource,
    /// How the client proves itself: `post` sends the secret in the body, `basic` in a header.
    #[serde(default)]
    pub authentication: Authentication,
    /// The form of the request and of the result.
    pub dialect: Dialect,
    /// Whether the request is pushed to the provider instead of sent through the person's browser.
    #[serde(default)]
    pub par: Par,
    /// Whether the provider has the same `sub` for a person at each verification. With `stable` a `sub` that another
    /// person had makes the result a warning.
    #[serde(default)]
    pub subject: SubjectKind,
    /// Which results count.
    pub accept: Accept,
    /// Whether the provider may match names approximately. Dialect `okta` only.
    #[serde(default)]
    pub names: Names,
    /// Signature algorithms of ID tokens.
    #[serde(default = "default_algorithms")]
    pub algorithms: Vec<Algorithm>,
    /// Scopes, besides that of the workflow. Default: `openid profile identity_assurance` for `okta`, `openid` for
    /// `ida`.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// Authentication contexts to request.
    #[serde(default)]
    pub acr_values: Vec<String>,
    /// The `prompt` of the request, such as `login`.
    #[serde(default)]
    pub prompt: Option<String>,
    /// How many seconds ago the person may have signed in at the provider.
    #[serde(default)]
    pub max_age: Option<u32>,
    /// Session starts per second that the provider allows.
    #[serde(default = "default_starts")]
    pub starts_per_second: f64,
}

/// The addresses of a provider without metadata.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OpenIdEndpoints")]
pub struct Endpoints {
    /// Where people are sent.
    #[schemars(with = "String")]
    pub authorization: Url,
    /// Where a code is exchanged for the result.
    #[schemars(with = "String")]
    pub token: Url,
    /// The provider's keys.
    #[schemars(with = "String")]
    pub jwks: Url,
    /// Where requests are pushed.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub pushed_authorization: Option<Url>,
}

/// How a client proves itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "OpenIdAuthentication")]
pub enum Authentication {
    #[default]
    Post,
    Basic,
}

/// The form of the request and of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "OpenIdDialect")]
pub enum Dialect {
    /// As vendors for Okta: the registered values are sent, and the result may say `MATCHED`.
    Okta,
    /// OpenID Connect for Identity Assurance: no values are sent.
    Ida,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "OpenIdPar")]
pub enum Par {
    #[default]
    Required,
    IfOffered,
    Never,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "OpenIdSubject")]
pub enum SubjectKind {
    #[default]
    Transient,
    Stable,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "OpenIdNames")]
pub enum Names {
    #[default]
    Exact,
    Fuzzy,
}

/// Which results count.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OpenIdAccept")]
pub struct Accept {
    /// Trust frameworks.
    pub trust_framework: Vec<String>,
    /// Assurance levels. Empty: each level of the frameworks counts; only for `ida`.
    #[serde(default)]
    pub assurance_level: Vec<String>,
    /// How old the provider's verification may be. Without it, it must be from this session.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub max_age: Option<Span>,
}

/// A signature algorithm of an ID token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(rename = "OpenIdAlgorithm")]
pub enum Algorithm {
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "PS256")]
    Ps256,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    pub const ALL: [Self; 4] = [Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa];

    /// Returns the word in a token's header.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

fn default_algorithms() -> Vec<Algorithm> {
    Algorithm::ALL.to_vec()
}

fn default_starts() -> f64 {
    5.0
}

impl options::Options for Options {
    fn secrets(&self) -> Vec<(String, &SecretSource)> {
        vec![("client_secret".to_owned(), &self.client_secret)]
    }

    fn addresses(&self) -> Vec<Target> {
        let issuer = Url::parse(&self.issuer).ok();
        let given = self.endpoints.iter().flat_map(Endpoints::named);
        let issuer = issuer.iter().map(|url| Target::with_simulator("issuer", url));
        issuer
            .chain(given.map(|(key, url)| Target::with_simulator(&format!("endpoints.{key}"), url)))
            .collect()
    }

    fn check(&self) -> Result<(), String> {
        let issuer = Url::parse(&self.issuer)
            .map_err(|_| "issuer: expected an address such as https://idv.example.com".to_owned())?;
        http::check_address(&issuer).map_err(|why| why.replacen("url", "issuer", 1))?;
        if issuer.query().is_some() {
            return Err("issuer: remove the query from the address".to_owned());
        }
        for (key, url) in
            std::iter::once(("issuer", &issuer)).chain(self.endpoints.iter().flat_map(Endpoints::named))
        {
            if !is_safe(url, &issuer) {
                return Err(format!("{key}: expected https://; http:// is for a provider on this machine"));
            }
        }
        let given = self.endpoints.as_ref();
        if self.par == Par::Required && given.is_some_and(|given| given.pushed_authorization.is_none()) {
            return Err("endpoints: add pushed_authorization, or set par: never".to_owned());
        }
        if self.client_id.trim().is_empty() {
            return Err("client_id: expected the id that the provider issued".to_owned());
        }
        if self.accept.trust_framework.is_empty() {
            return Err(
                "accept.trust_framework: name at least one; without it every result would count".to_owned()
            );
        }
        if self.dialect == Dialect::Okta && self.accept.assurance_level.is_empty() {
            return Err(
                "accept.assurance_level: name at least one, such as VERIFIED; this dialect reports a \
                failure only there"
                    .to_owned(),
            );
        }
        if self.accept.max_age.is_some_and(|age| age.elapsed().is_none()) {
            return Err(
                "accept.max_age: expected a duration such as 365d; business days are not possible".to_owned()
            );
        }
        if self.algorithms.is_empty() {
            return Err("algorithms: name at least one, such as RS256".to_owned());
        }
        if !(self.starts_per_second > 0.0 && self.starts_per_second <= 1_000.0) {
            return Err("starts_per_second: expected a number above 0, such as 5".to_owned());
        }
        Ok(())
    }
}

impl Endpoints {
    fn named(&self) -> impl Iterator<Item = (&'static str, &Url)> {
        let always = [("authorization", &self.authorization), ("token", &self.token), ("jwks", &self.jwks)];
        let pushed = self.pushed_authorization.iter().map(|url| ("pushed_authorization", url));
        always.into_iter().chain(pushed)
    }
}

impl VerificationOptions for Options {
    fn results(&self) -> Results<'_> {
        Results::Brought
    }

    fn build(&self, site: &Site<'_>) -> anyhow::Result<Arc<dyn VerificationProvider>> {
        let settings = Settings {
            name: site.name.to_owned(),
            redirect: site.return_url().to_string(),
            secret: site.secret("client_secret", &self.client_secret)?,
            options: self.clone(),
        };
        Ok(Arc::new(OpenId::new(settings, Arc::clone(site.clock)).map_err(|why| site.refused(why))?))
    }
}
