//! What is logged of what the application is told.

use crate::swarm::sampling::event::Event;

/// What goes as it should at trace, all else at debug. What an operator should know is a warning
/// where it is found.
pub(crate) fn log(event: &Event) {
    match event {
        Event::Exchanged {
            peer,
            direction,
            received,
            view_len,
        } => tracing::trace!(%peer, ?direction, received, view_len, "Exchanged"),
        Event::Contacted { peer, addresses } => tracing::trace!(%peer, ?addresses, "Contacted"),
        Event::ExchangeFailed {
            peer,
            error,
            removed,
        } => tracing::debug!(%peer, %error, removed, "Exchange failed"),
        Event::InboundFailed {
            peer,
            connection_id,
            error,
        } => tracing::debug!(%peer, connection = %connection_id, %error, "Inbound exchange failed"),
        Event::SeedFailed { address, error } => tracing::debug!(%address, %error, "Seed failed"),
        Event::NeighbourUp { peer } => tracing::debug!(%peer, "Neighbour up"),
        Event::NeighbourDown { peer, reason } => tracing::debug!(%peer, %reason, "Neighbour down"),
        Event::TargetUp { peer } => tracing::debug!(%peer, "Target up"),
        Event::TargetDown { peer } => tracing::debug!(%peer, "Target down"),
        Event::NotAdvertising(_)
        | Event::AddressesLeftOut { .. }
        | Event::Isolated(_)
        | Event::WrongKeypair { .. } => {}
        Event::Health(health) => tracing::debug!(?health, "Health"),
        Event::Left => tracing::debug!("Left"),
    }
}

#[cfg(test)]
mod tests {
    use libp2p_core::Multiaddr;
    use libp2p_identity::PeerId;
    use libp2p_swarm::ConnectionId;

    use super::*;
    use crate::swarm::{
        exchanger::error::ExchangeError,
        handler::InboundError,
        logged::logged,
        sampling::event::{NeighbourDownReason, SeedError},
    };

    #[test]
    fn failures_and_removals_are_logged_with_peer_and_reason() {
        let peer = PeerId::random();
        let name = peer.to_string();
        let address: Multiaddr = "/memory/7".parse().expect("a multiaddr");
        let events = [
            Event::ExchangeFailed {
                peer,
                error: ExchangeError::Timeout,
                removed: true,
            },
            Event::InboundFailed {
                peer,
                connection_id: ConnectionId::new_unchecked(3),
                error: InboundError::TooManyRequests,
            },
            Event::SeedFailed {
                address,
                error: SeedError::Timeout,
            },
            Event::NeighbourDown {
                peer,
                reason: NeighbourDownReason::Replaced,
            },
        ];
        let parts: [&[&str]; 4] = [
            &[&name, "exchange time-out", "removed=true"],
            &[&name, "too many requests", "connection=3"],
            &["/memory/7", "exchange time-out"],
            &[&name, "gave way"],
        ];
        let lines = logged(|| events.iter().for_each(log));
        assert_eq!(lines.len(), parts.len(), "{lines:?}");
        for (line, parts) in lines.iter().zip(parts) {
            assert!(line.starts_with("DEBUG"), "{line}");
            assert!(parts.iter().all(|part| line.contains(part)), "{line}");
        }
    }
}
