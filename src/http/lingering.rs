//! Closes a socket gently. Closing one with unread bytes resets the connection, and a client that is still sending then
//! loses its answer. Incoming bytes are therefore read and dropped for a moment.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

const DROPPED_FOR: Duration = Duration::from_secs(2);
/// Most bytes that are dropped; a client that sends more does not read the answer.
const DROPPED_BYTES: usize = 32 << 20;

#[derive(Debug)]
pub(super) struct Lingering {
    socket: TcpStream,
    dropping: Option<Dropping>,
}

#[derive(Debug)]
struct Dropping {
    until: Pin<Box<Sleep>>,
    bytes: usize,
}

impl Lingering {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self { socket, dropping: None }
    }
}

impl AsyncRead for Lingering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    /// Ends our side, then drops incoming bytes until the other side ends its own.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { socket, dropping } = &mut *self;
        let dropping = match dropping {
            Some(dropping) => dropping,
            None => {
                ready!(Pin::new(&mut *socket).poll_shutdown(context))?;
                dropping.insert(Dropping { until: Box::pin(tokio::time::sleep(DROPPED_FOR)), bytes: 0 })
            }
        };
        let mut scratch = [0; 4 << 10];
        while dropping.bytes < DROPPED_BYTES && dropping.until.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut *socket).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => dropping.bytes += buffer.filled().len(),
                // The other side has ended or disconnected.
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
        Poll::Ready(Ok(()))
    }
}
