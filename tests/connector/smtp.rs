//! The SMTP connector against a scripted server.

use crate::perform::perform_at;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use chrono::DateTime;
use proofd::connectors::smtp::{Settings, Smtp};
use proofd::connectors::{Connector, Mailer as _};
use proofd::engine::clock::Virtual;
use proofd::model::{Action, Address, Call, Done, Failure, FailureKind, Message, Outcome, Secret};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The server's answer at each point; other points get the usual answer. `CLOSE` closes, `HANG` never answers.
type Meaning = Vec<(&'static str, &'static str)>;

const CLOSE: &str = "CLOSE";
const HANG: &str = "HANG";

#[derive(Default)]
struct Log {
    /// Commands of all connections, in order.
    lines: Vec<String>,
    /// Mails that were received up to the final dot.
    mails: Vec<String>,
}

struct Peer {
    port: u16,
    log: Arc<Mutex<Log>>,
}

impl Peer {
    async fn start(says: Meaning) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::new(Mutex::new(Log::default()));
        let shared = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, says.clone(), Arc::clone(&shared)));
            }
        });
        Self { port, log }
    }

    fn settings(&self) -> Settings {
        Settings {
            url: format!("smtp://127.0.0.1:{}", self.port),
            password: None,
            from: "Example Identity <idv@example.com>".to_owned(),
            timeout: Duration::from_millis(400),
            ..Settings::default()
        }
    }

    fn lines(&self) -> Vec<String> {
        self.log.lock().unwrap().lines.clone()
    }

    fn mails(&self) -> Vec<String> {
        self.log.lock().unwrap().mails.clone()
    }
}

/// Serves one connection until the client or the script ends it.
async fn converse(stream: TcpStream, says: Meaning, log: Arc<Mutex<Log>>) -> Option<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let answer = |point: &str, usual: &'static str| {
        says.iter().find(|(at, _)| *at == point).map_or(usual, |(_, said)| *said)
    };
    let mut said = answer("GREETING", "220 relay.example.com ESMTP");
    loop {
        match said {
            CLOSE => return None,
            HANG => std::future::pending().await,
            text => writer.write_all(format!("{text}\r\n").as_bytes()).await.ok()?,
        }
        let line = lines.next_line().await.ok()??;
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_owned();
        log.lock().unwrap().lines.push(line);
        said = match verb.as_str() {
            "EHLO" => answer("EHLO", "250-relay.example.com\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME"),
            "HELO" => answer("HELO", "250 relay.example.com"),
            "AUTH" => answer("AUTH", "235 2.7.0 ok"),
            "MAIL" => answer("MAIL", "250 ok"),
            "RCPT" => answer("RCPT", "250 ok"),
            "STARTTLS" => answer("STARTTLS", "500 what?"),
            "QUIT" => answer("QUIT", "221 bye"),
            "DATA" => {
                let said = answer("DATA", "354 go on");
                if said.starts_with("354") {
                    writer.write_all(format!("{said}\r\n").as_bytes()).await.ok()?;
                    let mut mail = Vec::new();
                    loop {
                        let line = lines.next_line().await.ok()??;
                        if line == "." {
                            break;
                        }
                        mail.push(line);
                    }
                    log.lock().unwrap().mails.push(mail.join("\n"));
                    answer("DOT", "250 taken")
                } else {
                    said
                }
            }
            _ => "500 what?",
        };
    }
}

fn clock() -> Arc<Virtual> {
    Arc::new(Virtual::new(DateTime::parse_from_rfc3339("2026-01-15T10:00:00Z").unwrap().to_utc()))
}

fn smtp(settings: Settings) -> Arc<Smtp> {
    Arc::new(Smtp::new(settings, clock()).unwrap())
}

fn call(email: &str, attempt: u32) -> Call {
    let message = Message {
        to: Address {
            name: Some("Zoë, \"Secretname\"\r\nBcc: eve@example.com".to_owned()),
            email: email.to_owned(),
        },
        subject: "Please prove who you are".to_owned(),
        text: "Hello,\n.\nhttps://idv.example.com/p/LINKSECRET\n".to_owned(),
        html: "<p>Hello</p>".to_owned(),
        template: "invitation".to_owned(),
        language: "en".to_owned(),
    };
    let attempt = crate::perform::attempt("case-1", 3, attempt, proofd::model::Timestamp::UNIX_EPOCH);
    Call { attempt, action: Action::Mail { message } }
}

/// RFC 5321, 3.2: the connector uses HELO with a server that does not support EHLO.
#[tokio::test]
async fn mail_is_sent_to_a_helo_only_server() {
    for refusal in ["500 what?", "502 5.5.1 ECHO not implemented", "504 ECHO"] {
        let peer = Peer::start(vec![("EHLO", refusal)]).await;
        let outcome = perform_at(&smtp(peer.settings()), &call("zoe@example.com", 1)).await;
        assert_eq!(outcome, Outcome::Done(Done::Sent), "{refusal}");
        assert_eq!(peer.mails().len(), 1, "{refusal}");
        let verbs: Vec<String> = peer.lines().iter().map(|line| line[..4].to_owned()).collect();
        let mut wanted = vec!["EHLO", "HELO", "MAIL", "RCPT", "DATA", "QUIT"];
        wanted.retain(|verb| verbs.iter().any(|said| said == verb));
        assert!(wanted.starts_with(&["EHLO", "HELO", "MAIL", "RCPT", "DATA"]), "{verbs:?}");
        assert_eq!(peer.lines().iter().filter(|line| line.starts_with("HELO ")).count(), 1);
    }
    // Later refusals of that server are read as usual.
    let peer = Peer::start(vec![("EHLO", "502 no"), ("HELO", "554 ECHO no")]).await;
    let failed = failure(perform_at(&smtp(peer.settings()), &call("zoe@example.com", 1)).await);
    assert!(failed.kind == FailureKind::Unavailable && failed.reason.contains("554"), "{}", failed.reason);
}

/// Without EHLO there is neither encryption nor authentication: if one is required, no mail is sent.
#[tokio::test]
async fn helo_does_not_bypass_authentication_or_encryption() {
    let peer = Peer::start(vec![("EHLO", "502 ECHO")]).await;
    let signs_in = Settings {
        url: format!("smtp://relay-user@127.0.0.1:{}", peer.port),
        password: Some(Secret::new("PASSWORD")),
        ..peer.settings()
    };
    let encrypts =
        Settings { url: format!("smtp://127.0.0.1:{}?tls=required", peer.port), ..peer.settings() };
    for settings in [signs_in, encrypts] {
        let failed = failure(perform_at(&smtp(settings), &call("zoe@example.com", 1)).await);
        assert!(failed.reason.contains("refuses EHLO"), "{}", failed.reason);
    }
    assert!(peer.mails().is_empty() && !peer.lines().iter().any(|line| line.starts_with("HELO")));
}

fn failure(outcome: Outcome) -> Failure {
    let Outcome::Failed(failure) = outcome else { panic!("did not fail: {outcome:?}") };
    check_discretion(&failure.reason);
    failure
}

fn check_discretion(reason: &str) {
    for secret in ["zoe", "Secretname", "LINKSECRET", "PASSWORD", "ECHO", "relay-user", "idv@"] {
        assert!(!reason.contains(secret), "{secret} is in: {reason}");
    }
}

const SENT: Outcome = Outcome::Done(Done::Sent);

#[tokio::test]
async fn a_mail_is_sent_once_to_one_recipient() {
    let peer = Peer::start(Vec::new()).await;
    let smtp = smtp(peer.settings());
    assert_eq!(perform_at(&smtp, &call("zoe@example.com", 1)).await, SENT);
    let lines = peer.lines();
    assert!(lines[0].starts_with("EHLO "), "{lines:?}");
    assert_eq!(lines[1..], ["MAIL FROM:<idv@example.com>", "RCPT TO:<zoe@example.com>", "DATA", "QUIT"]);
    let mails = peer.mails();
    assert_eq!(mails.len(), 1);
    let (head, body) = mails[0].split_once("\n\n").unwrap();
    assert!(head.contains("Message-ID: <case-1.3@example.com>"), "{head}");
    assert!(head.contains("Date: Thu, 15 Jan 2026 10:00:00 +0000"), "{head}");
    assert!(head.contains("Auto-Submitted: auto-generated"), "{head}");
    assert!(head.contains("multipart/alternative"), "{head}");
    assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
    assert!(body.contains("\n..\n"), "a dot alone is doubled on the wire: {body}");
}

/// An attempt in doubt sends the same bytes again: both copies are recognizable as one mail.
#[tokio::test]
async fn a_mail_in_doubt_is_sent_again_unchanged() {
    let peer = Peer::start(vec![("DOT", CLOSE)]).await;
    let connector = smtp(peer.settings());
    let first = failure(perform_at(&connector, &call("zoe@example.com", 1)).await);
    assert_eq!(first.kind, FailureKind::Unavailable);
    assert!(first.reason.contains("Message-ID"), "{}", first.reason);
    failure(perform_at(&connector, &call("zoe@example.com", 2)).await);
    let mails = peer.mails();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0], mails[1]);
}

/// The server's answer at one point of the dialogue, and the result for the mail.
#[tokio::test]
async fn server_replies_are_classified() {
    use FailureKind::{Refused, Unavailable};
    for (point, said, kind, sentence) in [
        ("GREETING", "554 ECHO no service for you", Unavailable, "554"),
        ("GREETING", "421 later", Unavailable, "421"),
        ("GREETING", CLOSE, Unavailable, "SMTP"),
        ("GREETING", HANG, Unavailable, "in time"),
        ("GREETING", "HTTP/1.1 400 Bad Request", Unavailable, "SMTP"),
        ("EHLO", "421 ECHO", Unavailable, "421"),
        ("EHLO", CLOSE, Unavailable, ""),
        ("MAIL", "530 5.7.0 ECHO sign in first", Unavailable, "530"),
        ("MAIL", "550 ECHO zoe@example.com", Refused, "550"),
        ("MAIL", "451 ECHO", Unavailable, "451"),
        ("RCPT", "550 5.1.1 ECHO zoe@example.com unknown", Refused, "550"),
        ("RCPT", "550-ECHO\r\n550 zoe@example.com", Refused, "550"),
        ("RCPT", "552 ECHO", Refused, "552"),
        ("RCPT", "450 greylisted zoe@example.com", Unavailable, "450"),
        ("RCPT", "452 full", Unavailable, "452"),
        ("RCPT", HANG, Unavailable, "in time"),
        ("RCPT", CLOSE, Unavailable, ""),
        ("DATA", "554 no valid recipients", Refused, "554"),
        ("DATA", "421 closing", Unavailable, "421"),
        ("DOT", "554 ECHO spam", Refused, "554"),
        ("DOT", "451 try again", Unavailable, "451"),
        ("DOT", HANG, Unavailable, "Message-ID"),
        ("DOT", CLOSE, Unavailable, "Message-ID"),
        ("DOT", "what?", Unavailable, ""),
    ] {
        let peer = Peer::start(vec![(point, said)]).await;
        let outcome = perform_at(&smtp(peer.settings()), &call("zoe@example.com", 1)).await;
        let failure = failure(outcome);
        assert_eq!(failure.kind, kind, "{point} {said}: {}", failure.reason);
        assert!(failure.reason.contains(sentence), "{point} {said}: {}", failure.reason);
    }
}

/// A failing QUIT does not undo an accepted mail.
#[tokio::test]
async fn a_failed_quit_changes_nothing() {
    for said in [CLOSE, "500 no", "421 timeout"] {
        let peer = Peer::start(vec![("QUIT", said)]).await;
        assert_eq!(perform_at(&smtp(peer.settings()), &call("zoe@example.com", 1)).await, SENT, "{said}");
    }
}

/// No state of one dialogue carries over to the next.
#[tokio::test]
async fn each_mail_has_its_own_connection() {
    let peer = Peer::start(Vec::new()).await;
    let connector = smtp(peer.settings());
    let calls: Vec<Call> = (0..12).map(|n| call(&format!("zoe{n}@example.com"), 1)).collect();
    let outcomes = futures::future::join_all(calls.iter().map(|call| perform_at(&connector, call))).await;
    assert!(outcomes.iter().all(|outcome| *outcome == SENT), "{outcomes:?}");
    assert_eq!(peer.mails().len(), 12);
    assert_eq!(peer.lines().iter().filter(|line| line.starts_with("EHLO")).count(), 12);
}

#[tokio::test]
async fn unusable_addresses_are_refused() {
    let peer = Peer::start(Vec::new()).await;
    let connector = smtp(peer.settings());
    for (email, sentence) in [
        ("not an address", "invalid"),
        ("zoe@example.com\r\nRCPT TO:<eve@example.com>", "invalid"),
        ("zo\u{eb}@example.com", "SMTPUTF8"),
    ] {
        let failure = failure(perform_at(&connector, &call(email, 1)).await);
        assert_eq!(failure.kind, FailureKind::Refused, "{email}");
        assert!(failure.reason.contains(sentence), "{email}: {}", failure.reason);
    }
    assert!(peer.mails().is_empty());
    assert_eq!(perform_at(&connector, &call("zoe@ex\u{e4}mple.com", 1)).await, SENT);
    assert!(peer.lines().contains(&"RCPT TO:<zoe@xn--exmple-cua.com>".to_owned()));
}

fn with_user(peer: &Peer) -> Settings {
    Settings {
        url: format!("smtp://relay-user%40example.com@127.0.0.1:{}", peer.port),
        password: Some(Secret::new("PASSWORD")),
        ..peer.settings()
    }
}

#[tokio::test]
async fn the_connector_authenticates() {
    let peer = Peer::start(Vec::new()).await;
    assert_eq!(perform_at(&smtp(with_user(&peer)), &call("zoe@example.com", 1)).await, SENT);
    let plain = base64::engine::general_purpose::STANDARD.encode("\0relay-user@example.com\0PASSWORD");
    assert!(peer.lines().contains(&format!("AUTH PLAIN {plain}")), "{:?}", peer.lines());

    for (point, said, sentence) in [
        ("AUTH", "535 5.7.8 ECHO relay-user", "password is wrong"),
        ("AUTH", "534 ECHO", "password is wrong"),
        ("AUTH", "454 ECHO", "for now"),
        ("AUTH", CLOSE, "sign-in"),
        ("EHLO", "250 relay.example.com", "no supported sign-in"),
    ] {
        let peer = Peer::start(vec![(point, said)]).await;
        let connector = smtp(with_user(&peer));
        let refused = failure(perform_at(&connector, &call("zoe@example.com", 1)).await);
        assert_eq!(refused.kind, FailureKind::Unavailable, "{said}: it waits for the operator");
        assert!(refused.reason.contains(sentence), "{said}: {}", refused.reason);
        let findings = connector.examine().await;
        assert!(!findings[0].ok && findings[0].detail.contains(sentence), "{findings:?}");
        assert!(peer.mails().is_empty());
    }
}

/// If encryption is required, the connector sends neither password nor mail without it.
#[tokio::test]
async fn nothing_is_sent_in_clear_text_if_tls_is_required() {
    let peer = Peer::start(Vec::new()).await;
    let settings = with_user(&peer);
    let settings = Settings { url: format!("{}?tls=required", settings.url), ..settings };
    let refused = failure(perform_at(&smtp(settings), &call("zoe@example.com", 1)).await);
    assert_eq!(refused.kind, FailureKind::Unavailable);
    assert!(refused.reason.contains("STARTTLS"), "{}", refused.reason);
    assert!(peer.lines().iter().all(|line| line.starts_with("EHLO")), "{:?}", peer.lines());

    // STARTTLS is offered, but TLS does not follow.
    for said in ["220 go on", "454 not now", CLOSE, HANG] {
        let peer =
            Peer::start(vec![("EHLO", "250-relay\r\n250-STARTTLS\r\n250 AUTH PLAIN"), ("STARTTLS", said)])
                .await;
        let settings = with_user(&peer);
        let settings = Settings { url: format!("{}?tls=required", settings.url), ..settings };
        let refused = failure(perform_at(&smtp(settings), &call("zoe@example.com", 1)).await);
        assert_eq!(refused.kind, FailureKind::Unavailable, "{said}");
        assert!(!peer.lines().iter().any(|line| line.starts_with("AUTH")), "{:?}", peer.lines());
        assert!(peer.mails().is_empty());
    }

    let settings = Settings { url: format!("smtps://127.0.0.1:{}", peer.port), ..peer.settings() };
    let refused = failure(perform_at(&smtp(settings), &call("zoe@example.com", 1)).await);
    assert_eq!(refused.kind, FailureKind::Unavailable);
    assert!(peer.mails().is_empty());
}

#[tokio::test]
async fn doctor_checks_the_server_and_sends_a_test_mail() {
    let peer = Peer::start(Vec::new()).await;
    let connector = smtp(peer.settings());
    let findings = connector.examine().await;
    assert!(findings.len() == 1 && findings[0].ok, "{findings:?}");
    assert!(peer.mails().is_empty(), "an examination sends nothing");
    connector.send_test("zoe@example.com").await.unwrap();
    assert!(peer.mails()[0].contains("Message-ID: <test.1768471200000@example.com>"));
    check_discretion(&connector.send_test("zoe").await.unwrap_err().reason);

    let port = { TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port() };
    let nobody = Settings { url: format!("smtp://localhost:{port}"), ..peer.settings() };
    let findings = smtp(nobody).examine().await;
    assert!(!findings[0].ok && findings[0].detail.contains("cannot be reached"), "{findings:?}");
}

#[test]
fn invalid_settings_are_refused() {
    let settings = |url: &str, password: Option<&str>, from: &str| Settings {
        url: url.to_owned(),
        password: password.map(Secret::new),
        from: from.to_owned(),
        timeout: Settings::DEFAULT_TIMEOUT,
        ..Settings::default()
    };
    let from = "Example <idv@example.com>";
    for (url, password, from) in [
        ("smtp://localhost", None, from),
        ("smtp://127.0.0.1:2525?tls=none", None, from),
        ("smtp://[::1]:2525", None, "idv@example.com"),
        ("smtp://relay.example.com", None, from),
        ("smtp://relay-user@relay.example.com:587?tls=required", Some("PASSWORD"), from),
        (
            "smtps://relay-user%40example.com@relay.example.com/",
            Some("PASSWORD"),
            "\"A, B\" <idv@example.com>",
        ),
    ] {
        let smtp = Smtp::new(settings(url, password, from), clock()).unwrap();
        let shown = format!("{smtp:?} {:?}", settings(url, password, from));
        check_discretion(&shown);
    }
    for (url, password, from, sentence) in [
        ("", None, from, "expected smtp://"),
        ("relay.example.com", None, from, "expected smtp://"),
        ("http://relay.example.com", None, from, "scheme"),
        ("smtp:relay", None, from, "host"),
        ("smtp://relay-user:PASSWORD@relay.example.com", None, from, "contains a password"),
        ("smtp://relay-user@relay.example.com", None, from, "no password"),
        ("smtp://relay.example.com", Some("PASSWORD"), from, "without a user"),
        ("smtp://relay.example.com?tls=none", None, from, "this machine"),
        ("smtp://relay.example.com?tls=maybe", None, from, "?tls="),
        ("smtps://relay.example.com?tls=none", None, from, "contradict"),
        ("smtp://relay.example.com/path", None, from, "path"),
        ("smtp://localhost", None, "nobody", "`from`"),
        ("smtp://localhost", None, "A\r\nBcc: eve@example.com <idv@example.com>", "`from`"),
    ] {
        let error = Smtp::new(settings(url, password, from), clock()).unwrap_err();
        assert!(error.contains(sentence), "{url}: {error}");
        check_discretion(&error);
    }
    let never = Settings { timeout: Duration::ZERO, ..settings("smtp://localhost", None, from) };
    assert!(Smtp::new(never, clock()).is_err());
}
