//! Greets a mail server without EHLO support. RFC 5321, 3.2 requires HELO then; the library sends only EHLO, so its
//! first command is rewritten.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::extension::ClientId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Returns whether an answer means that the server does not support EHLO.
pub(super) fn is_unknown(error: &Error) -> bool {
    error.status().is_some_and(|code| matches!(u16::from(code), 500 | 502 | 504))
}

/// Returns a greeted connection without any extension. `None`: the connection failed.
pub(super) async fn greet_with_helo(
    server: (&str, u16),
    name: &ClientId,
) -> Option<Result<AsyncSmtpConnection, Error>> {
    let stream = TcpStream::connect(server).await.ok()?;
    Some(AsyncSmtpConnection::connect_with_transport(Box::new(Helo { stream, greeted: false }), name).await)
}

/// A stream to a server that replaces EHLO by HELO.
#[derive(Debug)]
struct Helo {
    stream: TcpStream,
    greeted: bool,
}

impl AsyncTokioStream for Helo {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}

impl AsyncRead for Helo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Helo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.greeted || !bytes.starts_with(b"EHLO") {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        }
        let written = Pin::new(&mut self.stream).poll_write(context, b"HELO");
        if let Poll::Ready(Ok(count)) = written {
            if count < 4 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.greeted = true;
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
