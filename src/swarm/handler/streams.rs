//! One exchange on one stream, from both ends.

use std::{io, sync::Arc, time::Duration};

use asynchronous_codec::Framed;
use bytes::BytesMut;
use futures::{AsyncRead, AsyncWrite, SinkExt, TryStreamExt};
use libp2p_identity::PeerId;

use crate::swarm::{
    counters::Tally,
    metered::Metered,
    shared::Shared,
    wire::{
        MessageError, Wire,
        frame::{Frames, framed_len},
    },
};

/// A stream of messages, each behind its length.
type MessageStream<S> = Framed<Metered<S>, Frames>;

/// What comes of a request when nothing breaks.
pub(crate) enum Answer<R> {
    Served(R),
    /// The peer ended the stream before a byte of the answer came, or said that it has too much to
    /// do, and perhaps when that may be over.
    NotServed(Option<Duration>),
}

/// The starting side of an exchange: send, close, read.
pub(crate) async fn send_request<W: Wire, S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    to: PeerId,
    request: W::Request,
    shared: &Shared<W>,
) -> Result<Answer<W::Response>, MessageError> {
    let (request, expected) = shared.wire.encode_request(request);
    let most = shared.wire.response_bound(&expected);
    let fits = W::RESPONSE_FITS_REQUEST.then(|| framed_len(request.len()));
    let stream = Metered::new(stream, shared.tally.clone());
    let mut stream = Framed::new(stream, Frames::new(most, fits));
    match send_and_read(&mut stream, request, &shared.tally).await {
        Err(MessageError::CutOff) if !stream.has_read() => Ok(Answer::NotServed(None)),
        Err(MessageError::Stream(error)) if !stream.has_read() && is_reset(&error) => {
            Ok(Answer::NotServed(None))
        }
        read => {
            let read = read?;
            if let Some(retry_after) = shared.wire.decode_refusal(&read) {
                return Ok(Answer::NotServed(Some(retry_after)));
            }
            let response = shared.wire.decode_response(to, &read, expected)?;
            shared.tally.responses_received.add(1);
            Ok(Answer::Served(response))
        }
    }
}

async fn send_and_read<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut MessageStream<S>,
    request: Vec<u8>,
    tally: &Tally,
) -> Result<BytesMut, MessageError> {
    stream.send(request).await?;
    tally.requests_sent.add(1);
    stream.close().await?;
    stream.try_next().await?.ok_or(MessageError::CutOff)
}

/// Whether the peer has ended or reset the stream. What happens to the connection has other kinds,
/// or ends the stream's task before the stream is looked at (seen: TCP and memory with yamux,
/// QUIC).
pub(crate) fn is_reset(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof, WriteZero};

    matches!(
        error.kind(),
        BrokenPipe | ConnectionReset | UnexpectedEof | WriteZero
    )
}

/// The answering side, first half.
pub(crate) async fn receive_request<W: Wire, S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    from: PeerId,
    shared: &Arc<Shared<W>>,
) -> Result<(W::Request, Reply<W, S>), MessageError> {
    let stream = Metered::new(stream, shared.tally.clone());
    let mut stream = Framed::new(stream, Frames::new(shared.wire.request_bound(), None));
    let bytes = stream.try_next().await?.ok_or(MessageError::CutOff)?;
    let request = shared.wire.decode_request(from, &bytes)?;
    shared.tally.requests_received.add(1);
    let reply = Reply {
        stream,
        request_bytes: framed_len(bytes.len()),
        shared: shared.clone(),
    };
    Ok((request, reply))
}

/// Ends a stream whose request is not read, with a word on when to come back where the protocol has
/// one for it.
pub(crate) async fn refuse<W: Wire, S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    retry_after: Duration,
    shared: Arc<Shared<W>>,
) {
    if let Some(refusal) = shared.wire.encode_refusal(retry_after) {
        let stream = Metered::new(stream, shared.tally.clone());
        let mut stream = Framed::new(stream, Frames::new(0, None));
        // Whether or not the peer hears it, it is not served.
        let _ = stream.send(refusal).await;
        let _ = stream.close().await;
    }
}

/// A stream whose request was read and not answered yet.
pub(crate) struct Reply<W, S> {
    stream: MessageStream<S>,
    /// What the request took, with its length.
    request_bytes: usize,
    shared: Arc<Shared<W>>,
}

impl<W: Wire, S: AsyncRead + AsyncWrite + Unpin> Reply<W, S> {
    /// The answering side, second half.
    pub(crate) async fn send(mut self, response: W::Response) -> Result<(), MessageError> {
        let wire = &self.shared.wire;
        let response = wire.encode_response(response, self.request_bytes);
        self.stream.send(response).await?;
        self.shared.tally.responses_sent.add(1);
        // The answer is on its way. A peer that has it all may close the connection at once.
        let _ = self.stream.close().await;
        Ok(())
    }
}
