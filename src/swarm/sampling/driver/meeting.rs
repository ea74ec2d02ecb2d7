//! Peers that an exchange has succeeded with: where they were found, and what siblings are told.

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::{ConnectionId, DialError};

use crate::{
    sampling::view::{Descriptor, View},
    swarm::{
        address::split_peer,
        exchanger::Exchanger,
        handle::publisher::Publisher,
        record::Record,
        sampling::{event::Event, neighbourhood::Neighbourhood},
        wire::sampling::Sampling,
    },
    time::Time,
};

/// What is known here when an exchange has succeeded.
pub(crate) struct Meeting<'a> {
    pub(crate) view: &'a View<Record>,
    pub(crate) publisher: &'a Publisher,
    pub(crate) neighbourhood: &'a Neighbourhood,
    pub(crate) exchanger: &'a mut Exchanger<Sampling, Event>,
    pub(crate) now: Time,
}

impl Meeting<'_> {
    /// An exchange with `peer` has succeeded, in which it sent `descriptors`: its own among them,
    /// if it advertises itself. All behaviours of the swarm are told where it was found.
    pub(crate) fn note(
        &mut self,
        (peer, connection): (PeerId, ConnectionId),
        descriptors: &[Descriptor<Record>],
    ) {
        let own = descriptors.iter().map(|d| &d.peer);
        let own = own.filter(|record| record.peer_id() == peer).last();
        let record = own.or_else(|| self.view.get(&peer).map(|d| &d.peer));
        let keeper = &mut self.exchanger.keeper;
        let place = keeper.connections.place(&peer, connection);
        if place.dialled.is_none() {
            let addresses = record.map_or(&[][..], Record::addresses).iter();
            for address in addresses.filter(|address| place.is_at(address)) {
                keeper.holder.called(address, self.now);
            }
        }
        let kept = |peer: &PeerId| self.neighbourhood.contains(peer);
        let found = self
            .publisher
            .contacts(|contacts| contacts.met(peer, record, place, self.now, kept));
        if !found.is_empty() {
            let event = Event::contacted(peer, found);
            if let Event::Contacted { addresses, .. } = &event {
                let addresses = addresses.iter().cloned();
                addresses.for_each(|address| keeper.actions.announce(peer, address));
            }
            keeper.actions.emit(event);
        }
    }
}

/// A dial of `peer` has failed: it was not found at the addresses that were tried.
pub(crate) fn not_found(publisher: &Publisher, peer: &PeerId, error: &DialError) {
    match error {
        DialError::Transport(tried) => {
            let tried = tried.iter().map(|(address, _)| address);
            not_found_at(publisher, peer, tried);
        }
        DialError::WrongPeerId { address, .. } => not_found_at(publisher, peer, [address]),
        _ => {}
    }
}

/// A dial at these addresses has not found `peer`.
pub(crate) fn not_found_at<'a>(
    publisher: &Publisher,
    peer: &PeerId,
    addresses: impl IntoIterator<Item = &'a Multiaddr>,
) {
    publisher.contacts(|contacts| {
        for address in addresses {
            contacts.not_found_at(peer, &split_peer(address).0);
        }
    });
}
