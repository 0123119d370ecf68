//! The hosts to which a person's browser may be redirected. Jumio's answer contains the address of its web client; a
//! forged or damaged answer must not redirect a person elsewhere.

use url::{Host, Position, Url};

use super::{Urls, is_loopback};

/// Allowed redirect addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    allowed: Vec<Allowed>,
}

/// A set of addresses. Names are in the form of the URL standard: lower case, punycode.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Allowed {
    /// This host over https, on the default port.
    Host(String),
    /// Every subdomain of this host, in the same way. Not the host itself.
    Below(String),
    /// Scheme, host and port of a configured address; a simulator has a port of its own.
    Origin(String),
}

impl Web {
    /// Allows the web clients of a region: `<prefix>.web.<region>.jumio.ai`.
    pub fn region(region: &str) -> Self {
        Self { allowed: vec![Allowed::Below(format!("web.{region}.jumio.ai"))] }
    }

    /// Allows the hosts of configured addresses, which replace a region.
    pub fn urls(urls: &Urls) -> Self {
        let Urls { auth, account, retrieval } = urls;
        let origin = |url: &Url| Allowed::Origin(url[..Position::BeforePath].to_owned());
        let mut allowed = Vec::new();
        for url in [auth, account, retrieval] {
            if !allowed.contains(&origin(url)) {
                allowed.push(origin(url));
            }
            if let Some(Host::Domain(name)) = url.host() {
                allowed.push(Allowed::Host(name.to_owned()));
            }
        }
        Self { allowed }
    }

    /// Adds the hosts of an allow-list: `id.example.com`, or `*.example.com` for every subdomain.
    pub fn and(mut self, hosts: &[String]) -> Result<Self, String> {
        for host in hosts {
            let (name, below) = match host.strip_prefix("*.") {
                Some(name) => (name, true),
                None => (host.as_str(), false),
            };
            let wrong = || {
                format!(
                    "'{host}' is not a host name; write it without scheme, port and path, such as \
                     id.example.com, or *.example.com for every host below it"
                )
            };
            let plain = name.contains('.')
                && !name.starts_with('.')
                && !name.ends_with('.')
                && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '.'));
            let name = match Host::parse(name) {
                Ok(Host::Domain(name)) if plain => name,
                Ok(_) | Err(_) => return Err(wrong()),
            };
            self.allowed.push(if below { Allowed::Below(name) } else { Allowed::Host(name) });
        }
        Ok(self)
    }

    /// Returns whether a person may be redirected to an address.
    pub(super) fn allows(&self, link: &str) -> bool {
        // Jumio never returns an address that a browser would have to repair: backslashes, line breaks.
        let clean = !link.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\');
        let Some((_, rest)) = link.split_once("://").filter(|_| clean) else { return false };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let Ok(url) = Url::parse(link) else { return false };
        // Empty user information disappears when an address is parsed, and is as suspicious as any other.
        if authority.is_empty() || authority.contains('@') {
            return false;
        }
        self.allowed.iter().any(|allowed| allowed.has(&url))
    }
}

impl Allowed {
    fn has(&self, url: &Url) -> bool {
        let by_name = |fits: &dyn Fn(&str) -> bool| match url.host() {
            Some(Host::Domain(name)) => url.scheme() == "https" && url.port().is_none() && fits(name),
            Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => false,
        };
        match self {
            Self::Host(host) => by_name(&|name| name == host),
            Self::Below(host) => by_name(&|name| {
                name.strip_suffix(host.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }),
            Self::Origin(origin) => {
                (url.scheme() == "https" || is_loopback(url)) && url[..Position::BeforePath] == **origin
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn redirects_go_only_to_hosts_of_the_region() {
        let web = Web::region("emea-1");
        let table = [
            ("https://acme.web.emea-1.jumio.ai/web/v4/app?authorizationToken=x&locale=en", true),
            ("https://ACME.WEB.EMEA-1.JUMIO.AI/web/client", true),
            ("https://a.b.web.emea-1.jumio.ai:443/", true),
            ("https://acme.web.amer-1.jumio.ai/web/client", false),
            ("https://web.emea-1.jumio.ai/", false),
            ("https://.web.emea-1.jumio.ai/", false),
            ("https://evil.example/", false),
            ("https://acme.web.emea-1.jumio.ai.evil.example/", false),
            ("https://web.emea-1.jumio.link.evil.example/", false),
            ("https://evilweb.emea-1.jumio.ai/", false),
            ("https://evil-web.emea-1.jumio.ai/", false),
            ("https://jumio.ai/", false),
            ("https://acme.web.emea-1.jumio.ai./", false),
            ("https://acme.web.emea-1.jumio.ai@evil.example/", false),
            ("https://user@acme.web.emea-1.jumio.ai/", false),
            ("https://:@acme.web.emea-1.jumio.ai/", false),
            ("https://@acme.web.emea-1.jumio.ai/", false),
            ("https://evil.example\\@acme.web.emea-1.jumio.ai/", false),
            ("https://evil.example\\.web.emea-1.jumio.ai/", false),
            ("https://evil.example#.web.emea-1.jumio.ai/", false),
            ("https://evil.example?.web.emea-1.jumio.ai/", false),
            ("https:acme.web.emea-1.jumio.ai/", false),
            ("https:/acme.web.emea-1.jumio.ai/", false),
            ("https:///acme.web.emea-1.jumio.ai/", false),
            ("http://acme.web.emea-1.jumio.ai/", false),
            ("https://acme.web.emea-1.jumio.ai:8443/", false),
            ("https://acme.web.emea-1.jumi\u{f3}.ai/", false),
            ("https://acme.web.emea-1.xn--jumi-0ra.ai/", false),
            ("https://acme.web.emea-1.jum\u{131}o.ai/", false),
            ("javascript:alert(1)//acme.web.emea-1.jumio.ai", false),
            ("javascript://acme.web.emea-1.jumio.ai/%0aalert(1)", false),
            ("data:text/html,acme.web.emea-1.jumio.ai", false),
            ("ftp://acme.web.emea-1.jumio.ai/", false),
            ("file:///etc/passwd", false),
            ("//acme.web.emea-1.jumio.ai/", false),
            ("/v/elsewhere", false),
            (" https://acme.web.emea-1.jumio.ai/", false),
            ("https://acme.web.emea-1.jumio.ai/\r\nSet-Cookie: a=b", false),
            ("http://127.0.0.1/", false),
            ("https://[::1]/", false),
            ("", false),
        ];
        for (link, allowed) in table {
            assert_eq!(web.allows(link), allowed, "{link:?}");
        }
    }

    #[test]
    fn custom_urls_allow_their_own_hosts_and_listed_hosts() {
        let urls = Urls {
            auth: url("https://gate.example.com:8443/auth"),
            account: url("https://gate.example.com:8443/account"),
            retrieval: url("http://127.0.0.1:9000/"),
        };
        let web = Web::urls(&urls).and(&["id.example.org".into(), "*.b\u{fc}cher.example".into()]).unwrap();
        let table = [
            ("https://gate.example.com:8443/web", true),
            ("https://gate.example.com/web", true),
            ("https://gate.example.com:9443/web", false),
            ("http://gate.example.com/web", false),
            ("https://acme.gate.example.com/web", false),
            ("http://127.0.0.1:9000/web?x=y", true),
            ("http://127.0.0.1:9001/web", false),
            ("http://127.0.0.2:9000/web", false),
            ("https://id.example.org/", true),
            ("https://id.example.org:444/", false),
            ("https://a.id.example.org/", false),
            ("https://shop.b\u{fc}cher.example/", true),
            ("https://shop.xn--bcher-kva.example/", true),
            ("https://b\u{fc}cher.example/", false),
            ("https://shop.bucher.example/", false),
            ("https://acme.web.emea-1.jumio.ai/", false),
        ];
        for (link, allowed) in table {
            assert_eq!(web.allows(link), allowed, "{link:?}");
        }
    }

    #[test]
    fn the_allow_list_accepts_host_names_only() {
        for host in [
            "",
            "*",
            "*.",
            "https://a.example",
            "a.example/x",
            "a.example:1",
            "u@a.example",
            "localhost",
            "10.0.0.1",
            "a.*.example",
            ".example.com",
        ] {
            assert!(Web::region("emea-1").and(&[host.to_owned()]).is_err(), "{host:?}");
        }
    }
}
