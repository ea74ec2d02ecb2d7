//! The dials under way: the one place in which a dial is noted, whichever behaviour makes it.

use std::collections::BTreeMap;

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;

use crate::{
    gossip::ExchangeId,
    swarm::{
        address::relay_of,
        node::{budget::Handed, leases::HolderId},
    },
};

/// What a dial is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DialPurpose {
    /// An exchange of the behaviour that dials.
    Exchange(ExchangeId),
    /// A seed, as it was given.
    Seed(Multiaddr),
    /// A relay: another behaviour dials it, so that a dial of ours can lead through it.
    Relay,
}

/// A dial, until all behaviours of the node have heard how it ended.
#[derive(Debug, Default)]
pub(crate) struct Dial {
    /// Nobody in particular, where a seed names no peer.
    pub(crate) peer: Option<PeerId>,
    /// The behaviour of this node that dials; `None`: another behaviour of the swarm does, or the
    /// application.
    pub(crate) by: Option<HolderId>,
    /// What for; taken by the behaviour that dials when it is told of the end.
    pub(crate) purpose: Option<DialPurpose>,
    /// What was handed to the swarm, and which behaviour did; `None`: nobody has said where to
    /// dial.
    pub(crate) handed: Option<(HolderId, Vec<Handed>)>,
    /// The relays that these addresses lead through.
    pub(crate) relays: Vec<PeerId>,
    /// Whether it was drawn from the minute's budget.
    pub(crate) drawn: bool,
    /// The swarm tells one behaviour after the other what came of it; when one of them is polled
    /// again, all have heard.
    pub(crate) ended: bool,
}

impl Dial {
    /// Notes what was handed to the swarm.
    pub(crate) fn hand_over(&mut self, by: HolderId, handed: Vec<Handed>, drawn: bool) {
        self.relays = handed
            .iter()
            .filter_map(|h| relay_of(h.address()))
            .collect();
        self.handed = Some((by, handed));
        self.drawn = drawn;
    }
}

/// All dials under way.
#[derive(Debug, Default)]
pub(crate) struct Dials(BTreeMap<ConnectionId, Dial>);

impl Dials {
    /// A dial begins.
    pub(crate) fn begin(&mut self, connection: ConnectionId, dial: Dial) {
        self.0.insert(connection, dial);
    }

    /// The swarm is about to dial `peer`: for a behaviour of this node, which has noted it, or for
    /// another one.
    pub(crate) fn pending(&mut self, connection: ConnectionId, peer: Option<PeerId>) -> &mut Dial {
        let dial = self.0.entry(connection).or_default();
        dial.peer = dial.peer.or(peer);
        dial
    }

    pub(crate) fn get(&self, connection: ConnectionId) -> Option<&Dial> {
        self.0.get(&connection)
    }

    pub(crate) fn get_mut(&mut self, connection: ConnectionId) -> Option<&mut Dial> {
        self.0.get_mut(&connection)
    }

    /// Whether `peer` is being dialled, by anybody; seeds that name no peer left out.
    pub(crate) fn is_dialling(&self, peer: &PeerId) -> bool {
        self.under_way()
            .any(|dial| dial.peer.as_ref() == Some(peer))
    }

    /// Whether a dial under way leads through `relay`.
    pub(crate) fn is_through(&self, relay: &PeerId) -> bool {
        self.under_way().any(|dial| dial.relays.contains(relay))
    }

    /// Whether `holder` dials for this exchange.
    pub(crate) fn is_for(&self, holder: HolderId, exchange: ExchangeId) -> bool {
        let purpose = Some(DialPurpose::Exchange(exchange));
        let mut dials = self.0.values();
        dials.any(|dial| dial.by == Some(holder) && dial.purpose == purpose)
    }

    /// Forgets the dials that have ended. To be called when a behaviour is polled.
    pub(crate) fn forget_ended(&mut self) {
        self.0.retain(|_, dial| !dial.ended);
    }

    /// A behaviour is gone: its dials are forgotten.
    pub(crate) fn leave(&mut self, holder: HolderId) {
        self.0.retain(|_, dial| dial.by != Some(holder));
    }

    /// Whether nothing is under way.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.under_way().next().is_none()
    }

    fn under_way(&self) -> impl Iterator<Item = &Dial> {
        self.0.values().filter(|dial| !dial.ended)
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::{
        swarm::{
            limits::Limits,
            node::budget::{Addresses, Budget},
        },
        time::Time,
    };

    /// What the budget hands over for a dial that leads through these relays.
    fn through(relays: &[PeerId]) -> Vec<Handed> {
        let limits = Limits {
            addresses_per_dial: 8,
            ..Limits::default()
        };
        let mut budget = Budget::new(&limits, None);
        let addresses: Vec<Multiaddr> = (1..)
            .zip(relays)
            .map(|(host, relay)| {
                let address = format!("/ip4/1.2.3.{host}/tcp/1/p2p/{relay}/p2p-circuit");
                address.parse().expect("a multiaddr")
            })
            .collect();
        let addresses = Addresses {
            known: &addresses,
            verified: None,
        };
        let choice = budget.choose(addresses, Time::ZERO, &mut StdRng::seed_from_u64(1));
        budget.hand_over(choice.expect("nothing against them"), Time::ZERO)
    }

    #[test]
    fn a_relay_is_one_while_something_leads_through_it() {
        let (one, other) = (PeerId::random(), PeerId::random());
        let mut dials = Dials::default();
        for (number, relays) in [vec![one], vec![one, other], Vec::new()].iter().enumerate() {
            let dial = dials.pending(ConnectionId::new_unchecked(number), None);
            dial.hand_over(1, through(relays), false);
        }
        assert!(dials.is_through(&one) && dials.is_through(&other));
        let mut end = |number| {
            let dial = dials.get_mut(ConnectionId::new_unchecked(number));
            dial.expect("under way").ended = true;
            dials.forget_ended();
            [&one, &other].map(|relay| dials.is_through(relay))
        };
        assert_eq!(end(1), [true, false]);
        assert_eq!(end(0), [false, false]);
        assert_eq!(end(2), [false, false]);
        assert!(dials.is_empty());
    }
}
