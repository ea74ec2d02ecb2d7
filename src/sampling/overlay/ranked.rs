//! Ranked views, T-Man: the peers that are nearest by any distance, so any topology.

pub(crate) mod coordinates;
pub(crate) mod distance;
mod gone;
pub(crate) mod hashed;
pub(crate) mod labels;
pub(crate) mod order;
#[cfg(test)]
mod properties;
pub(crate) mod ring;
pub(crate) mod round_trips;
mod silence;
pub(crate) mod similarity;
#[cfg(test)]
mod tests;
pub(crate) mod xor;

use std::fmt;

use rand::{Rng, RngExt};

use crate::{
    peer::Peer,
    sampling::{
        mode::ranked::RankedSelection,
        overlay::{
            Choice, Outcome, Overlay, OverlayError,
            exchange::{Merge, Outgoing},
            ranked::{
                distance::Distance,
                gone::Gone,
                order::{MAX_SIDES, best},
                silence::Silence,
            },
        },
        view::{Descriptor, View},
    },
};

/// How many peers that have left the view are remembered, in peers: some kilobytes. A guess: of
/// more than half of a view of 200.
const MOST_GONE: usize = 128;

/// The overlay of the nearest peers, T-Man (Jelasity, Babaoglu, *T-Man: Gossip-based overlay
/// topology management*, ESOA 2005; Jelasity, Montresor, Babaoglu, *T-Man: Gossip-based fast
/// overlay topology construction*, Computer Networks 53(13), 2009).
///
/// A node keeps the CAP peers that are nearest to it by a [`Distance`]; CAP is the view size. The
/// first K of them are its *links* in the topology: [`target`](Self::target). The others are there
/// to find those. The view is in the order of the ranking, the nearest first.
///
/// Each round a node makes an exchange with one of the `psi` nearest. The two tell each other of
/// the peers that are nearest *to the other one*.
///
/// # It needs a random overlay beside it
///
/// Peers far away know nobody near, and nobody near may be in the view of anybody near. So give the
/// sampler of this overlay the view of a random one in each round, by
/// [`Sampler::set_candidates`](crate::sampling::sampler::Sampler::set_candidates). If the view is
/// empty, give them to [`Sampler::init`](crate::sampling::sampler::Sampler::init), too. Sample from
/// the random one: the peers here are anything but random.
///
/// # The dead
///
/// T-Man as published never forgets the dead: others tell of them for ever. Here
///
/// - a descriptor has a [life time](Self::with_life). Its age grows with each round and each step
///   from node to node. Only its peer makes new ones;
/// - each round one link, the one that has not answered for the longest time, is
///   [probed](Self::with_probes). So a dead link is found within some K rounds;
/// - of a peer that has left the view, dead or not, a node takes in no descriptor that is older
///   than that. Without this, real nodes took 20 rounds to close a ring of which a third was
///   killed, and with it 3 (measured: 60 nodes on one machine, a quarantine of two rounds).
///
/// # Attackers
///
/// Who declares where it is may declare that it is where its victim is. So rank by the hash of the
/// identity where that serves ([`SortedRing::by_id`](ring::SortedRing::by_id),
/// [`Xor::by_id`](xor::Xor::by_id)), or by what this node has measured itself. Set caps per network
/// ([`Diversity`](crate::sampling::sampler::config::Diversity)). The random overlay beside it is
/// independent of any declaration.
#[derive(Clone)]
pub struct Ranked<D, P: Peer> {
    distance: D,
    target: usize,
    message: usize,
    psi: usize,
    life: u32,
    probes: bool,
    id: Option<P::Id>,
    /// This node as it advertises itself, or did last: peers are ranked from here.
    local: Option<P>,
    round: u64,
    /// How many partners were asked for in this round.
    turn: u32,
    silence: Silence<P::Id>,
    gone: Gone<P::Id>,
}

impl<D: Distance<P>, P: Peer> Ranked<D, P> {
    /// The `target` nearest peers by this distance are a node's links: the paper's target degree
    /// K, 1 to the view size. The view size should be 3 to 5 times the length of a
    /// [message](Self::with_message).
    ///
    /// Bounds are checked when the overlay meets its view size, in
    /// [`Sampler::new`](crate::sampling::sampler::Sampler::new).
    pub fn new(distance: D, target: usize) -> Self {
        Self {
            distance,
            target,
            message: 20,
            psi: 10,
            life: 20,
            probes: true,
            id: None,
            local: None,
            round: 0,
            turn: 0,
            silence: Silence::new(),
            gone: Gone::new(),
        }
    }

    /// The paper's m: how many descriptors go each way in an exchange, this node's own included; 2
    /// to the view size. Default: 20, as in the paper's experiments (2009).
    pub fn with_message(mut self, descriptors: usize) -> Self {
        self.message = descriptors;
        self
    }

    /// The paper's psi: a partner is one of so many nearest, 1 to the view size. With 1 a node asks
    /// the same peer again and again. Default: 10, as in the paper's experiments (2009).
    pub fn with_psi(mut self, psi: usize) -> Self {
        self.psi = psi;
        self
    }

    /// For how many rounds, and steps from node to node, a descriptor lives after its peer has made
    /// it; 2 or more. A candidate counts as half as old. `u32::MAX`: for ever, as in the papers.
    /// After a crash a topology is whole again after so many rounds, or sooner with a quarantine.
    ///
    /// Default: 20. Measured: in a ring of 2^13 nodes, views of 60, no link of a live node is older
    /// than 16; with a life of 12, some views are not quite full.
    pub fn with_life(mut self, rounds: u32) -> Self {
        self.life = rounds;
        self
    }

    /// Whether each round one link more is asked whether it answers, with an empty message.
    /// Default: yes.
    pub fn with_probes(mut self, probes: bool) -> Self {
        self.probes = probes;
        self
    }

    /// The links of the topology, the nearest first: the first K of the view of this overlay, or
    /// all if there are fewer.
    pub fn target<'a>(&self, view: &'a View<P>) -> &'a [Descriptor<P>] {
        view.head(self.target)
    }

    /// How many links a node is to have: the paper's K.
    pub fn target_degree(&self) -> usize {
        self.target
    }

    /// The distance that peers are ranked by.
    pub fn distance(&self) -> &D {
        &self.distance
    }

    /// The age that a candidate enters with: nobody says when it has told of itself.
    fn candidates_age(&self) -> u32 {
        self.life / 2
    }

    fn is_local(&self, id: &P::Id) -> bool {
        self.id.as_ref() == Some(id)
    }

    /// Puts the view into the order of the ranking, and keeps the best that there is room for. Of
    /// equals, links stay links: a connection is kept to each.
    fn rank<R: Rng + ?Sized>(&self, view: &mut View<P>, view_size: usize, rng: &mut R) {
        // A node that has not said who it is has nothing to rank by.
        let Some(local) = &self.local else {
            view.remove_at_random(view.len().saturating_sub(view_size), rng);
            return;
        };
        let peers: Vec<&P> = view.iter().map(|d| &d.peer).collect();
        let order = best(&self.distance, local, (&peers, self.target), view_size, rng);
        view.arrange(&order);
    }
}

impl<D: Distance<P>, P: Peer> Overlay<P> for Ranked<D, P> {
    type Mode = RankedSelection;

    fn check(&self, view_size: usize) -> Result<(), OverlayError> {
        for (setting, value, least) in [
            ("target", self.target, 1),
            ("message", self.message, 2),
            ("psi", self.psi, 1),
        ] {
            if !(least..=view_size).contains(&value) {
                return Err(OverlayError::new(format!(
                    "{setting} is {value}, must be {least} to the view size {view_size}"
                )));
            }
        }
        if self.life < 2 {
            let life = self.life;
            return Err(OverlayError::new(format!(
                "life is {life} rounds, must be 2 or more"
            )));
        }
        let sides = self.distance.sides();
        if !(1..=MAX_SIDES).contains(&sides) {
            return Err(OverlayError::new(format!(
                "the ranking has {sides} sides, must be 1 to {MAX_SIDES}"
            )));
        }
        Ok(())
    }

    fn set_id(&mut self, id: &P::Id) {
        self.id = Some(id.clone());
    }

    /// Everybody is ranked anew. Without a new place, the node ranks from where it was.
    fn local_changed<R: Rng + ?Sized>(
        &mut self,
        local: Option<&P>,
        view: &mut View<P>,
        rng: &mut R,
    ) {
        if let Some(local) = local {
            self.local = Some(local.clone());
            self.rank(view, view.len(), rng);
        }
    }

    /// T-Man 2009: "buffer ← merge(view, {myDescriptor}); buffer ← rank(p, buffer); send first m
    /// entries of buffer to p". T-Man 2005 merges "a random sample of the nodes from the entire
    /// network" in, too.
    ///
    /// What the partner has just told is left out of the answer.
    fn compose<R: Rng + ?Sized>(
        &mut self,
        view: &mut View<P>,
        outgoing: &mut Outgoing<'_, P>,
        rng: &mut R,
    ) {
        let (partner, known, candidates) = (outgoing.partner, outgoing.known, outgoing.candidates);
        let mut peers: Vec<&P> = view.iter().map(|d| &d.peer).collect();
        for candidate in candidates {
            let id = candidate.id();
            let others = &peers[view.len()..];
            let is_new = !view.contains(id) && others.iter().all(|other| other.id() != id);
            if is_new && !self.is_local(id) {
                peers.push(candidate);
            }
        }
        let is_partner = |peer: &&P| peer.id() == partner;
        let told = known.iter().map(|d| &d.peer);
        // Of a partner about which nothing is known, this node can only guess that it is near.
        let from = told.chain(peers.iter().copied()).find(is_partner);
        let from = from.or(self.local.as_ref());
        let count = self.message + known.len();
        let order = match from {
            Some(from) => best(&self.distance, from, (&peers, 0), count, rng),
            None => (0..peers.len()).collect(),
        };
        outgoing.push_local();
        let is_told = |peer: &P| known.iter().any(|d| d.peer.id() == peer.id());
        for at in order {
            if outgoing.len() + 1 >= self.message {
                break;
            }
            let peer = peers[at];
            if is_partner(&peer) || is_told(peer) {
                continue;
            }
            match view.as_slice().get(at) {
                Some(descriptor) => outgoing.push(descriptor),
                None => outgoing.push(&Descriptor {
                    peer: peer.clone(),
                    age: self.candidates_age(),
                }),
            };
        }
    }

    /// T-Man 2009: "view ← merge(buffer_p, view)". The younger descriptor of a peer stays. The view
    /// is bounded here; 2005 keeps "the c best".
    ///
    /// Here a descriptor grows older on its way, too. If only rounds counted, it would stay young
    /// on a way through nodes that have begun their round, from ones that have not; and the
    /// youngest copy is the one that stays. After half of 2^10 nodes crashed, dead ones with a life
    /// of 12 rounds were told of for more than 36 (measured).
    fn merge<R: Rng + ?Sized>(&mut self, view: &mut View<P>, merge: Merge<'_, P>, rng: &mut R) {
        for descriptor in merge.received.iter_mut() {
            descriptor.age = descriptor.age.saturating_add(1);
        }
        // It is there, and speaks for itself.
        self.gone.forget(merge.partner);
        let round = self.round;
        let is_news = |d: &Descriptor<P>| d.age <= self.life && self.gone.is_news(d, round);
        merge.received.retain(is_news);
        view.append(merge.received);
        for candidate in merge.candidates {
            if !self.is_local(candidate.id()) && !self.gone.contains(candidate.id()) {
                view.insert(Descriptor {
                    peer: candidate.clone(),
                    age: self.candidates_age(),
                });
            }
        }
        self.rank(view, merge.view_size, rng);
    }

    fn exchange_ended(&mut self, partner: &P::Id, outcome: Outcome) {
        match outcome {
            Outcome::Answered => self.gone.forget(partner),
            Outcome::Dead => self.removed(partner),
            Outcome::Refused | Outcome::Broken => {}
        }
        // If this node itself refuses, others have their turn first.
        if matches!(outcome, Outcome::Answered | Outcome::Refused) {
            self.silence.heard(partner, self.round);
        }
    }

    fn removed(&mut self, id: &P::Id) {
        self.gone.note(id, self.round, MOST_GONE);
    }

    fn begin_round<R: Rng + ?Sized>(
        &mut self,
        view: &mut View<P>,
        _view_size: usize,
        _samples: &mut Vec<P>,
        _rng: &mut R,
    ) {
        self.round += 1;
        self.turn = 0;
        view.increase_age();
        // `u32::MAX` is no age to die of.
        if self.life < u32::MAX {
            let expired = view.iter().filter(|d| d.age > self.life).count();
            view.remove_old_items(expired);
        }
        self.silence.retain(self.target(view));
        self.gone.expire(self.round, self.life);
    }

    fn extra_exchanges(&self, _view_size: usize) -> usize {
        usize::from(self.probes)
    }

    /// T-Man 2009: "p ← selectPeer(psi, rank(myDescriptor, view))": "a random sample from the first
    /// psi entries". The second turn of a round is the probe.
    fn select_partner<R: Rng + ?Sized>(
        &mut self,
        view: &View<P>,
        eligible: impl Fn(&P::Id) -> bool,
        rng: &mut R,
    ) -> Choice<P::Id> {
        self.turn = self.turn.saturating_add(1);
        if self.turn == 2 && self.probes {
            let links = self.target(view).iter();
            let silent = self
                .silence
                .longest(links.filter(|d| eligible(d.peer.id())));
            return match silent {
                // With a link that has never answered there is more to talk about.
                Some(id) if !self.silence.knows(id) => Choice::Exchange(id.clone()),
                Some(id) => Choice::Probe(id.clone()),
                None => Choice::Nobody,
            };
        }
        let best = view.iter().filter(|d| eligible(d.peer.id())).take(self.psi);
        let count = best.clone().count();
        let mut best = best.skip(rng.random_range(0..count.max(1)));
        let partner = best.next().map(|d| d.peer.id().clone());
        partner.map_or(Choice::Nobody, Choice::Exchange)
    }

    fn view_changed<R: Rng + ?Sized>(&mut self, view: &mut View<P>, view_size: usize, rng: &mut R) {
        self.rank(view, view_size, rng);
    }

    /// A small network never fills the view, so this does not wait for that: a guess.
    fn has_room(&self, view: &View<P>, view_size: usize) -> bool {
        view.len() < self.message.min(view_size)
    }

    fn hopes_for(&self, view_size: usize) -> usize {
        self.message.min(view_size)
    }

    fn is_ranked(&self) -> bool {
        true
    }

    fn targets(&self, view: &View<P>) -> usize {
        self.target(view).len()
    }
}

impl<D, P: Peer> fmt::Debug for Ranked<D, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ranked")
            .field("target", &self.target)
            .field("message", &self.message)
            .field("psi", &self.psi)
            .field("life", &self.life)
            .field("probes", &self.probes)
            .finish_non_exhaustive()
    }
}
