//! Counts the bytes that go over a stream.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::{AsyncRead, AsyncWrite};

use crate::swarm::counters::Tally;

/// A stream whose bytes are counted, whatever becomes of the message that they belong to.
#[derive(Debug)]
pub(crate) struct Metered<S> {
    stream: S,
    tally: Arc<Tally>,
    has_read: bool,
}

impl<S> Metered<S> {
    pub(crate) fn new(stream: S, tally: Arc<Tally>) -> Self {
        Self {
            stream,
            tally,
            has_read: false,
        }
    }

    /// Whether a byte has come.
    pub(crate) fn has_read(&self) -> bool {
        self.has_read
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, bytes))?;
        self.tally.bytes_received.add(read);
        self.has_read |= read > 0;
        Poll::Ready(Ok(read))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.tally.bytes_sent.add(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}
