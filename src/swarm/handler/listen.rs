//! What is negotiated on the streams that a peer opens.

use std::convert::Infallible;

use futures::future::{Ready, ready};
use libp2p_core::upgrade::{InboundUpgrade, UpgradeInfo};
use libp2p_swarm::StreamProtocol;

/// What is spoken on the streams that a peer opens: the protocol; nothing, once this node has left.
/// To its partners it is a peer that does not speak the protocol then, which they forget. A stream
/// that is reset would say nothing about it, and they would ask again and again.
#[derive(Debug)]
pub struct Listen(pub(crate) Option<StreamProtocol>);

impl UpgradeInfo for Listen {
    type Info = StreamProtocol;
    type InfoIter = std::option::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl<C> InboundUpgrade<C> for Listen {
    type Output = C;
    type Error = Infallible;
    type Future = Ready<Result<C, Infallible>>;

    fn upgrade_inbound(self, stream: C, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}
