//! The SMTP server: accepts mails or fails as the knobs require. This module must not know MIME.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::Mailbox;

/// Most bytes of a line and of a mail.
const MOST: usize = 32 * 1024 * 1024;

/// Accepts connections for as long as the future is polled.
pub(super) async fn listen(listener: TcpListener, mailbox: Mailbox) {
    let mut sessions = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        // The client waits for each small answer.
        let _ = stream.set_nodelay(true);
        let session =
            Session { stream: BufReader::new(stream), mailbox: mailbox.clone(), from: None, to: Vec::new() };
        // An aborted session needs no handling here.
        sessions.spawn(session.run());
        while sessions.try_join_next().is_some() {}
    }
}

struct Session {
    stream: BufReader<TcpStream>,
    mailbox: Mailbox,
    from: Option<String>,
    to: Vec<String>,
}

/// Whether the session continues.
#[derive(Debug, PartialEq, Eq)]
enum Then {
    Continue,
    Close,
}

impl Session {
    async fn run(mut self) -> io::Result<()> {
        self.reply("220 mailbox.invalid ESMTP").await?;
        while let Some(line) = self.line().await? {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if self.command(&line).await? == Then::Close {
                break;
            }
        }
        Ok(())
    }

    async fn reply(&mut self, text: &str) -> io::Result<Then> {
        let stream = self.stream.get_mut();
        // One write: a line end sent separately would wait 40 ms for the client's acknowledgement of the text.
        stream.write_all(format!("{text}\r\n").as_bytes()).await?;
        stream.flush().await?;
        Ok(Then::Continue)
    }

    async fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let read = self.stream.read_until(b'\n', &mut line).await?;
        Ok((read > 0 && line.ends_with(b"\n") && line.len() <= MOST).then_some(line))
    }

    async fn command(&mut self, line: &str) -> io::Result<Then> {
        let upper = line.to_ascii_uppercase();
        match upper.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" => {
                let offers = "250-mailbox.invalid\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n\
                              250 AUTH PLAIN LOGIN";
                self.reply(offers).await
            }
            "HELO" => self.reply("250 mailbox.invalid").await,
            "AUTH" => self.authenticate(&upper).await,
            "MAIL" => self.mail(line).await,
            "RCPT" => self.recipient(line).await,
            "DATA" => self.data().await,
            "RSET" => {
                self.reset();
                self.reply("250 2.0.0 OK").await
            }
            "NOOP" => self.reply("250 2.0.0 OK").await,
            "VRFY" => self.reply("252 2.0.0 Send it").await,
            "QUIT" => {
                self.reply("221 2.0.0 Bye").await?;
                Ok(Then::Close)
            }
            _ => self.reply("502 5.5.1 Command not implemented").await,
        }
    }

    fn reset(&mut self) {
        self.from = None;
        self.to.clear();
    }

    async fn authenticate(&mut self, upper: &str) -> io::Result<Then> {
        let words: Vec<&str> = upper.split_whitespace().collect();
        let prompts: &[&str] = match words.as_slice() {
            [_, "PLAIN", _] => &[],
            [_, "PLAIN"] => &["334 "],
            [_, "LOGIN", _] => &["334 UGFzc3dvcmQ6"],
            [_, "LOGIN"] => &["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"],
            _ => return self.reply("504 5.5.4 Unknown mechanism").await,
        };
        for prompt in prompts {
            self.reply(prompt).await?;
            if self.line().await?.is_none() {
                return Ok(Then::Close);
            }
        }
        match self.mailbox.knobs().refuse_auth {
            true => self.reply("535 5.7.8 Authentication credentials invalid").await,
            false => self.reply("235 2.7.0 Authentication succeeded").await,
        }
    }

    async fn mail(&mut self, line: &str) -> io::Result<Then> {
        if self.mailbox.temporary(&[421]).is_some() {
            self.reply("421 4.3.2 Service not available, closing").await?;
            return Ok(Then::Close);
        }
        match address(line) {
            Some(from) => {
                self.reset();
                self.from = Some(from);
                self.reply("250 2.1.0 OK").await
            }
            None => self.reply("501 5.5.4 MAIL FROM:<address> expected").await,
        }
    }

    async fn recipient(&mut self, line: &str) -> io::Result<Then> {
        let Some(to) = address(line).filter(|to| !to.is_empty()) else {
            return self.reply("501 5.5.4 RCPT TO:<address> expected").await;
        };
        if self.from.is_none() {
            return self.reply("503 5.5.1 MAIL first").await;
        }
        if self.mailbox.temporary(&[450]).is_some() {
            return self.reply("450 4.2.1 Mailbox busy, try again later").await;
        }
        if self.mailbox.knobs().refuse.iter().any(|pattern| to.contains(pattern.as_str())) {
            return self.reply("550 5.1.1 No such mailbox").await;
        }
        self.to.push(to);
        self.reply("250 2.1.5 OK").await
    }

    async fn data(&mut self) -> io::Result<Then> {
        if self.from.is_none() || self.to.is_empty() {
            return self.reply("503 5.5.1 RCPT first").await;
        }
        if self.take(|knobs| &mut knobs.drop_in_data) {
            self.reply("354 Go on").await?;
            self.line().await?;
            return Ok(Then::Close);
        }
        self.reply("354 End data with <CR><LF>.<CR><LF>").await?;
        let mut raw = Vec::new();
        loop {
            // A connection that ends before the final dot delivers no mail.
            let Some(line) = self.line().await? else { return Ok(Then::Close) };
            if line == b".\r\n" || line == b".\n" {
                break;
            }
            raw.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            if raw.len() > MOST {
                self.reply("552 5.3.4 Too big").await?;
                return Ok(Then::Close);
            }
        }
        if let Some(code) = self.mailbox.temporary(&[451, 452]) {
            self.reset();
            return self.reply(&format!("{code} 4.3.0 Try again later")).await;
        }
        let lost = self.take(|knobs| &mut knobs.drop_after_data);
        let from = self.from.take().unwrap_or_default();
        self.mailbox.keep(&from, &self.to, &raw, !lost);
        self.reset();
        if lost {
            return Ok(Then::Close);
        }
        self.reply("250 2.0.0 Taken").await
    }

    /// Uses up one of a knob's count; false if none is left.
    fn take(&self, knob: impl FnOnce(&mut super::Knobs) -> &mut u32) -> bool {
        self.mailbox.with(|held| {
            let count = knob(&mut held.knobs);
            let hit = *count > 0;
            *count = count.saturating_sub(1);
            hit
        })
    }
}

/// The address between the angle brackets; empty for the null sender.
fn address(line: &str) -> Option<String> {
    let (_, rest) = line.split_once('<')?;
    rest.split_once('>').map(|(address, _)| address.to_owned())
}
