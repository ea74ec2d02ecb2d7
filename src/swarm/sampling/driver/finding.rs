//! Whom the driver contacts beside its rounds, in order to know more peers: seeds, whom others have
//! connected, and whom others know the address of.

use std::{collections::BTreeSet, time::Duration};

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use rand::{RngExt, seq::IteratorRandom};

use crate::{
    gossip::ExchangeId,
    sampling::overlay::Overlay,
    swarm::{
        address::split_peer,
        record::Record,
        sampling::{candidates::Outcome, driver::Driver},
    },
    time::Time,
};

/// How long a peer that has connected to us is left to start an exchange itself before we do, while
/// the view has room. A guess.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many exchanges may be in flight before no more are started with peers that have connected to us, or
/// that others know. A guess, half of all: or those who never answer would leave none for rounds and seeds.
pub(super) const MOST_BESIDE: usize = 32;

/// How long an attempt may take, while this node is short of neighbours, before another one is
/// started beside it: the default of RFC 8305 (Happy Eyeballs), section 5.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// How many attempts of rounds may wait for a connection at the same time. A guess: of so many
/// peers hardly all are dead, even when half of the network is.
const MOST_ATTEMPTS: usize = 8;
/// How many peers that are in the view no more are tried at the same time. A guess, as many as
/// seeds.
const MOST_RECALLED: usize = 4;

impl<O: Overlay<Record>> Driver<O> {
    /// Looks outside the view, rarely and for ever: a seed, or a former contact that the view does
    /// not hold, may be in a part of the network that this one has lost sight of.
    pub(super) fn probe(&mut self, now: Time) {
        let view_len = self.gossip.view().len();
        if view_len == 0 || !self.probes.is_due(now, view_len, &mut self.rng) {
            return;
        }
        let seed_first = self.rng.random_bool(0.5);
        let found = seed_first && self.seeds.probe(&mut self.rng);
        if !found && self.recall(1, now) == 0 && !seed_first {
            self.seeds.probe(&mut self.rng);
        }
        self.contact_more(now);
    }

    /// With an empty view: tries whatever was tried before again, now and then.
    pub(super) fn start_over(&mut self, now: Time) {
        let lonely = self.gossip.view().is_empty();
        if self.seeds.start_over(now, lonely, &mut self.rng) {
            self.links.connections.forget_used();
            self.candidates.start_over(now);
            self.recall(MOST_RECALLED, now);
            self.contact_more(now);
        }
    }

    /// Starts exchanges with up to `count` peers that are in the view no more: former contacts,
    /// whether or not they have failed since, and those that the application has given. Returns how
    /// many.
    fn recall(&mut self, count: usize, now: Time) -> usize {
        let room = MOST_RECALLED.saturating_sub(self.recalled.len());
        let mut known: BTreeSet<PeerId> = self.publisher.contacts(|c| c.past().collect());
        known.extend(self.given.iter().map(|given| given.peer_id()));
        let (view, blocked) = (self.gossip.view(), &self.blocked);
        known.retain(|peer| {
            let is_blocked = blocked.peek(peer).is_some_and(|until| *until > now);
            !view.contains(peer) && !is_blocked
        });
        let chosen = known.into_iter().sample(&mut self.rng, count.min(room));
        let mut started = 0;
        for peer in chosen {
            if let Some(exchange) = self.gossip.exchange_with(peer, now) {
                self.recalled.insert(exchange.id);
                self.carry_out(exchange, None, now);
                started += 1;
            }
        }
        started
    }

    /// A node that is short of neighbours does not wait for the dead: while a dial takes long, it
    /// starts another exchange beside it, and another. So it finds somebody in less than a second
    /// where a dead peer takes five to fail.
    pub(super) fn press_on(&mut self, now: Time) {
        let attempts = self.links.exchanges.waiting();
        let spare = self.dials.next_spare().is_some_and(|at| at <= now);
        let wanted = self.links.is_short() && !self.gossip.view().is_empty() && spare;
        if !wanted || attempts == 0 || attempts >= MOST_ATTEMPTS {
            self.press_at = None;
            return;
        }
        let at = *self
            .press_at
            .get_or_insert(now.saturating_add(ATTEMPT_DELAY));
        if at > now {
            return;
        }
        self.press_at = Some(now.saturating_add(ATTEMPT_DELAY));
        self.gossip.add_turn();
        while let Some(exchange) = self.gossip.poll_round(now) {
            self.carry_out(exchange, None, now);
        }
    }

    /// Whether the view has room, and another exchange may be started.
    pub(super) fn wants_more_peers(&self) -> bool {
        let room = self.gossip.view().len() < self.gossip.config().view_size();
        room && !self.gossip.is_saturated()
    }

    /// How long a peer that has connected to us is left to start an exchange itself. For ever, once this
    /// node knows enough others: or whoever connects again and again would be sent a request each time.
    pub(super) fn patience(&self) -> Option<Duration> {
        let few = self.gossip.in_flight() < MOST_BESIDE;
        (few && self.gossip.has_room()).then_some(PATIENCE)
    }

    /// Contacts the seeds that are due, and, while the view has room, peers that somebody else has
    /// connected, and those of whom somebody else knows where they are.
    pub(super) fn contact_more(&mut self, now: Time) {
        // Dialling and the exchange each have the exchange's time.
        let seed_timeout = 2 * self.exchange_timeout;
        let wait = self.links.relays.seeds_wait_until();
        self.seeds_at = wait.filter(|until| *until > now && self.seeds.is_due());
        while !self.gossip.is_saturated()
            && wait.is_none_or(|until| until <= now)
            && let Some(address) = self.seeds.poll(now, seed_timeout, &mut self.rng)
        {
            self.contact_seed(address, now);
        }
        while self.wants_more_peers()
            && let Some(peer) = self.links.connections.untried(now, self.patience())
        {
            self.contact_connected(peer, now);
        }
        self.contact_candidates(now);
    }

    fn contact_seed(&mut self, address: Multiaddr, now: Time) {
        let (_, peer) = split_peer(&address);
        let connected = peer.filter(|peer| self.links.usable(peer).is_some());
        if let Some(peer) = connected {
            match self.gossip.exchange_with(peer, now) {
                Some(exchange) => self.carry_out(exchange, Some(address), now),
                // One with the same peer is under way: as good.
                None => _ = self.seeds.tried(&address),
            }
            return;
        }
        self.links.dial_seed(address);
    }

    /// Somebody else has connected the peer: perhaps it speaks the protocol.
    fn contact_connected(&mut self, peer: PeerId, now: Time) {
        let visitor = self.links.connections.has_come_by_itself(&peer);
        let exchange = match self.gossip.view().contains(&peer) {
            true => None, // Its turn will come.
            false if self.links.usable(&peer).is_none() => None,
            false if visitor && !self.visitors.take(self.visitors_rate, now) => None,
            false => self.gossip.exchange_with(peer, now),
        };
        match exchange {
            // Not by `begin`: who has come by itself would get more bytes than it has sent.
            Some(exchange) if visitor => {
                let id = exchange.id;
                self.links.exchanges.start(exchange, None);
                self.bring(id, peer, now);
            }
            Some(exchange) => self.carry_out(exchange, None, now),
            None => {
                let connections: Vec<_> = self.links.connections.of(&peer).collect();
                for connection in connections {
                    self.links.connections.mark_used(&peer, connection);
                }
            }
        }
    }

    /// Another behaviour, or the application, says that `peer` is at `address`.
    pub(in crate::swarm) fn on_address_told(
        &mut self,
        peer: PeerId,
        address: &Multiaddr,
        now: Time,
    ) {
        let wanted = peer != self.local && self.policy.check(&peer, address).is_ok();
        if wanted && self.leaving.is_none() {
            self.candidates.tell(peer, split_peer(address).0, now);
        }
    }

    /// Contacts peers of whom only siblings know where they are, as long as more than half of the minute's dials are
    /// left: the rest is for rounds. Only when the view has room.
    fn contact_candidates(&mut self, now: Time) {
        self.candidates_at = None;
        while self.wants_more_peers() && self.gossip.in_flight() < MOST_BESIDE {
            if !self.candidates.is_waiting(now) {
                return;
            }
            let spare = self.dials.next_spare();
            if spare.is_none_or(|at| at > now) {
                self.candidates_at = spare;
                return;
            }
            let (view, connections) = (self.gossip.view(), &self.links.connections);
            let is_blocked = |peer: &PeerId| {
                let until = self.blocked.peek(peer);
                until.is_some_and(|until| *until > now)
            };
            let next = self.publisher.contacts(|contacts| {
                // Whoever is alone asks those again, too, who are in no view.
                let met = |peer: &PeerId| !view.is_empty() && contacts.contains(peer);
                self.candidates.next(
                    (now, &mut self.rng),
                    |peer| view.contains(peer) || met(peer),
                    |peer| connections.is_connected(peer) || is_blocked(peer),
                )
            });
            let Some(peer) = next else {
                return;
            };
            match self.gossip.exchange_with(peer, now) {
                Some(exchange) => self.carry_out(exchange, None, now),
                // One with the same peer is under way: as good.
                None => {
                    self.candidates.not_dialled(&peer);
                    self.candidates.ended(&peer, Outcome::Failed, now);
                }
            }
        }
    }

    /// Whether the exchange is with somebody of whom nothing but an unsigned address is known.
    pub(super) fn is_candidate(&self, id: ExchangeId) -> bool {
        let partner = self.links.exchanges.partner(id);
        let contacts = |peer: &PeerId| self.publisher.contacts(|c| c.contains(peer));
        partner.is_some_and(|peer| self.candidates.is_trying(&peer) && !contacts(&peer))
    }
}
