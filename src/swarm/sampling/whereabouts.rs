//! Where to dial a peer: by its record, where it was found, where others say that it is.

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;
use rand::Rng;

use crate::{
    gossip::ExchangeId,
    sampling::view::View,
    swarm::{
        exchanger::actions::Way,
        handle::publisher::Publisher,
        node::{
            budget::{Addresses, Choice, NotDialled},
            holder::Holder,
        },
        record::Record,
        sampling::discovery::Discovery,
    },
    time::Time,
};

/// What is known of where peers are.
pub(crate) struct Whereabouts<'a> {
    pub(crate) view: &'a View<Record>,
    pub(crate) publisher: &'a Publisher,
    pub(crate) discovery: &'a mut Discovery,
    /// For the dial budget.
    pub(crate) holder: &'a Holder,
    pub(crate) now: Time,
}

impl Whereabouts<'_> {
    /// The peer's record, and the one of its addresses where it was found.
    pub(crate) fn of(&self, peer: &PeerId) -> (Option<Record>, Option<Multiaddr>) {
        let hearsay = self.view.get(peer).map(|d| &d.peer);
        let contacts = self.publisher;
        contacts.contacts(|contacts| contacts.whereabouts(peer, hearsay))
    }

    /// Where to dial the partner of an exchange, within the budget. `anew`: the handshake has
    /// failed, perhaps since both ends have dialled at the same moment, and this is to be from
    /// another port.
    ///
    /// # Errors
    ///
    /// A [`NotDialled`] when nobody is to be dialled.
    pub(crate) fn choose<R: Rng + ?Sized>(
        &mut self,
        (id, partner): (ExchangeId, PeerId),
        anew: bool,
        rng: &mut R,
    ) -> Result<(Way, Choice), NotDialled> {
        if anew {
            let choice = self.choose_anew(&partner, rng)?;
            return match choice.addresses() {
                [] => Err(NotDialled::NoAddress),
                chosen => Ok((Way::Anew(chosen.to_vec()), choice)),
            };
        }
        if self.discovery.is_past(id) {
            let choice = self.choose_past(&partner, rng)?;
            return Ok((Way::At(choice.addresses().to_vec()), choice));
        }
        let (record, verified) = self.of(&partner);
        let unsigned = match &record {
            Some(_) => Vec::new(),
            None => self.discovery.candidates.addresses(&partner),
        };
        let addresses = Addresses {
            known: record.as_ref().map_or(&unsigned, |r| r.addresses()),
            verified: verified.as_ref(),
        };
        match self.holder.choose(addresses, self.now, rng) {
            // Not by its id alone: a peer that nobody has signed for would have the other
            // behaviours add what the budget has not counted, and the policy not seen.
            Ok(choice) if !unsigned.is_empty() => {
                let chosen = choice.addresses().to_vec();
                self.discovery.candidates.dialled(&partner, &chosen);
                Ok((Way::At(chosen), choice))
            }
            Ok(choice) => Ok((Way::ById, choice)),
            Err(why) => {
                self.discovery.candidates.not_dialled(&partner);
                Err(why)
            }
        }
    }

    /// A peer that is in the view no more is dialled where it was seen last: at no other addresses,
    /// so that other behaviours add nothing that the budget has not seen.
    fn choose_past<R: Rng + ?Sized>(
        &self,
        partner: &PeerId,
        rng: &mut R,
    ) -> Result<Choice, NotDialled> {
        let (addresses, is_hearsay) = self.last_seen(partner);
        match is_hearsay {
            true => {
                let addresses = Addresses {
                    known: &addresses,
                    verified: None,
                };
                self.holder.choose(addresses, self.now, rng)
            }
            false => self.holder.choose_known(&addresses, rng),
        }
    }

    fn choose_anew<R: Rng + ?Sized>(
        &self,
        partner: &PeerId,
        rng: &mut R,
    ) -> Result<Choice, NotDialled> {
        let (seen, is_hearsay) = self.last_seen(partner);
        match is_hearsay {
            true => {
                let (record, verified) = self.of(partner);
                let addresses = Addresses {
                    known: record.as_ref().map_or(&seen, |record| record.addresses()),
                    verified: verified.as_ref(),
                };
                self.holder.choose_anew(addresses, self.now, rng)
            }
            false => self.holder.choose_known(&seen, rng),
        }
    }

    /// Where a peer was seen last, that may have failed since, and whether that is only what it
    /// says itself: this node has not found it there, and the application has not said so.
    fn last_seen(&self, peer: &PeerId) -> (Vec<Multiaddr>, bool) {
        let met = self.publisher.contacts(|contacts| {
            let (record, verified) = contacts.last_seen(peer)?;
            let home = verified.map(|home| vec![home.clone()]);
            let is_hearsay = home.is_none();
            Some((
                home.unwrap_or_else(|| record.addresses().to_vec()),
                is_hearsay,
            ))
        });
        match (met, self.discovery.given(peer)) {
            (Some((home, false)), _) => (home, false),
            (_, Some(given)) => (given.addresses().to_vec(), false),
            (Some(said), None) => said,
            (None, None) => (Vec::new(), true),
        }
    }

    /// The swarm asks where to dial `peer`, on behalf of another behaviour: of this node, which
    /// draws on its budget (`is_drawn`), or a sibling, which has counted its dials itself.
    pub(crate) fn for_others<R: Rng + ?Sized>(
        &self,
        connection: ConnectionId,
        peer: &PeerId,
        is_drawn: bool,
        rng: &mut R,
    ) -> Vec<Multiaddr> {
        let (Some(record), verified) = self.of(peer) else {
            return Vec::new();
        };
        let addresses = Addresses {
            known: record.addresses(),
            verified: verified.as_ref(),
        };
        let draw = (is_drawn, self.now);
        let handed = self.holder.hand_over(connection, addresses, draw, rng);
        handed.unwrap_or_else(|why| {
            tracing::debug!(%peer, %why, "No address for another behaviour");
            Vec::new()
        })
    }
}
