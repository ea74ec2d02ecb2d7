//! What an exchange is compared with: a bare request-response behaviour with messages of the same
//! size, that asks one random node of a fixed list at a time.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{
    StreamProtocol,
    request_response::{self, ProtocolSupport},
};

/// About what a message of the sampler takes with the default view, in bytes.
pub const MESSAGE_BYTES: usize = 2_500;

/// As many zeros as [`MESSAGE_BYTES`], there and back.
#[derive(Debug, Clone, Copy, Default)]
pub struct Blobs;

/// The behaviour.
pub type Behaviour = request_response::Behaviour<Blobs>;

/// A behaviour whose requests fail after `timeout`.
pub fn behaviour(timeout: std::time::Duration) -> Behaviour {
    let protocol = StreamProtocol::new("/blobs/1.0.0");
    let config = request_response::Config::default().with_request_timeout(timeout);
    Behaviour::new([(protocol, ProtocolSupport::Full)], config)
}

async fn read(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut io = io.take(2 * MESSAGE_BYTES as u64);
    io.read_to_end(&mut bytes).await?;
    Ok(bytes)
}

impl request_response::Codec for Blobs {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &Self::Protocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn read_response<T>(&mut self, _: &Self::Protocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn write_request<T>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
        request: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&request).await
    }

    async fn write_response<T>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
        response: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&response).await
    }
}
