//! The mailbox over an SMTP connection.

use std::sync::Arc;

use proofd::engine::clock::Virtual;
use proofd::simulate::ledger::Ledger;
use proofd::simulate::mailbox::{Knobs, Mail, Mailbox, Serving, Temporary};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

const MAIL: &str = "From: a@example.test\r\nTo: b@example.test\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n\
    Message-ID: <1@example.test>\r\n\r\n..dotted\r\nhttps://x.example/y\r\n.\r\n";
const SEND: [&str; 5] = ["EHLO me", "MAIL FROM:<a@example.test>", "RCPT TO:<b@example.test>", "DATA", MAIL];

async fn bench() -> (Mailbox, Serving, Ledger) {
    let clock = Virtual::new("2026-01-15T10:00:00Z".parse().unwrap());
    let ledger = Ledger::memory();
    let mailbox = Mailbox::new(Arc::new(clock), ledger.clone());
    let any = "127.0.0.1:0".parse().unwrap();
    let serving = mailbox.serve(any, any).await.unwrap();
    (mailbox, serving, ledger)
}

/// Sends each line and reads one answer to it; an answer of "" is a closed connection.
async fn talk(serving: &Serving, lines: &[&str]) -> Vec<String> {
    let mut stream = BufReader::new(TcpStream::connect(serving.smtp).await.unwrap());
    let mut answers = Vec::new();
    let mut greeting = String::new();
    stream.read_line(&mut greeting).await.unwrap();
    for line in lines {
        let end = if line.ends_with('\n') { "" } else { "\r\n" };
        stream.get_mut().write_all(format!("{line}{end}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        loop {
            answer.clear();
            stream.read_line(&mut answer).await.unwrap_or_default();
            if answer.as_bytes().get(3) != Some(&b'-') {
                break;
            }
        }
        answers.push(answer.chars().take(3).collect());
    }
    answers
}

#[tokio::test]
async fn an_accepted_mail_is_listed() {
    let (mailbox, serving, ledger) = bench().await;
    let lines = [&SEND[..1], &["AUTH PLAIN AGEAYg=="], &SEND[1..], &["NOOP", "RSET", "QUIT"]].concat();
    let answers = talk(&serving, &lines).await;
    assert_eq!(answers, ["250", "235", "250", "250", "354", "250", "250", "250", "221"]);
    let mails = mailbox.mails();
    let [mail] = mails.as_slice() else { panic!("one mail expected, {} found", mails.len()) };
    assert_eq!((mail.to.as_str(), mail.subject.as_str()), ("b@example.test", "Grüße"));
    assert_eq!((mail.text.as_str(), mail.acknowledged), (".dotted\nhttps://x.example/y\n", true));
    assert_eq!(mail.links, ["https://x.example/y"]);
    let record = ledger.records().remove(0);
    assert_eq!((record.what.as_str(), record.subject.as_str()), ("mail", "b@example.test"));
    let address = serving.web.url.strip_prefix("http://").unwrap();
    let get = async |path: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    };
    let shown: Vec<Mail> = serde_json::from_str(&get("/_sim/mails?to=B@example.test").await).unwrap();
    assert_eq!(shown, mails);
    assert_eq!(get("/_sim/mails?to=c@example.test").await, "[]");
    assert!(get("/mails/0").await.contains("https://x.example/y"));
}

#[tokio::test]
async fn each_knob_causes_its_fault() {
    let check = async |knobs: Knobs, expected: &[&str], kept: usize| {
        let (mailbox, serving, _ledger) = bench().await;
        mailbox.set_knobs(knobs.clone());
        let answers = talk(&serving, &SEND[..expected.len()]).await;
        assert_eq!(answers, expected, "{knobs:?}");
        assert_eq!(mailbox.mails().len(), kept, "{knobs:?}");
        assert!(mailbox.mails().iter().all(|mail| !mail.acknowledged));
    };
    let temporary = |code| Knobs { temporary: vec![Temporary { code, count: 1 }], ..Knobs::default() };
    check(temporary(421), &["250", "421"], 0).await;
    check(temporary(450), &["250", "250", "450"], 0).await;
    check(temporary(451), &["250", "250", "250", "354", "451"], 0).await;
    check(temporary(452), &["250", "250", "250", "354", "452"], 0).await;
    check(Knobs { refuse: vec!["b@".into()], ..Knobs::default() }, &["250", "250", "550"], 0).await;
    let after = Knobs { drop_after_data: 1, ..Knobs::default() };
    check(after, &["250", "250", "250", "354", ""], 1).await;
    let within = Knobs { drop_in_data: 1, ..Knobs::default() };
    check(within, &["250", "250", "250", "354", ""], 0).await;
}
