//! Basalt: views that attackers cannot fill, since nobody knows what a slot looks for.

use std::{fmt, hash::Hash};

use rand::{Rng, RngExt};
use siphasher::sip::SipHasher13;

use crate::{
    overlay::{Arrange, Merge, Outgoing, Overlay, OverlayError},
    view::{Descriptor, Peer, View},
};

/// The attack-resistant overlay (Auvolat, Bromberg, Frey, Mvondo, Taïani, *Basalt: A Rock-Solid
/// Byzantine-Tolerant Peer Sampling for Very Large Decentralized Networks*, 2021).
///
/// A node has v slots, as many as the view size. Each has a secret random seed, and holds, of all peers
/// that it has been told of since it got that seed, the one whose hash with the seed is the smallest: how
/// often a peer is mentioned makes no difference, so attackers who flood the network with their
/// identities win as many slots as their share of all identities, and no more. Seeds are renewed
/// slot by slot; a peer whose slot is renewed is given out as a sample, by
/// [`Gossip::next_sample`](crate::gossip::Gossip::next_sample).
///
/// Where identities cost nothing, [`Ranking::Prefixes`] lets networks compete, and peers only within
/// them.
///
/// What makes it slower than [`Random`](crate::Random): views change slot by slot, not by halves; and
/// with no ages to go by, each node has to find out by itself who is dead.
#[derive(Clone)]
pub struct Basalt {
    ranking: Ranking,
    /// How many descriptors of the view go into a message.
    fanout: usize,
    /// How many slots are renewed, and every how many rounds.
    renewal: (usize, usize),
    rounds: usize,
    /// What makes this node's hashes its own. Drawn with the slots.
    key: (u64, u64),
    slots: Vec<Slot>,
    /// The next slot to be renewed.
    next: usize,
    /// The fingerprints of the view's peers, in its order: storage that is used again.
    known: Vec<u64>,
}

/// What the slots of [`Basalt`] compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ranking {
    /// Identities: every peer has the same chance, and so has every invented one. For networks in which
    /// identities are hard to get, and for those within one subnet.
    Identity,
    /// Networks first (see [`Prefixes`](crate::prefixes::Prefixes)). Each wide network competes with at
    /// most `wide` tickets, which its peers share, each narrow one with at most `narrow`; who has the same
    /// ticket competes by identity. So nobody gains by more identities in the same networks, and peers
    /// in networks that are not crowded have all the same chance.
    ///
    /// The paper's hierarchical hashing is one ticket each: every network has the same chance, and where
    /// hosts crowd in a few networks most of them are hardly ever sampled.
    Prefixes {
        /// The tickets of a /16 or a /32; 1 or more.
        wide: u32,
        /// The tickets of a /24 or a /48; 1 or more.
        narrow: u32,
    },
}

impl Default for Ranking {
    /// 16 tickets for a wide network, 4 for a narrow one.
    fn default() -> Self {
        Self::Prefixes {
            wide: 16,
            narrow: 4,
        }
    }
}

#[derive(Debug, Clone)]
struct Slot {
    seed: u64,
    hits: u32,
    /// The fingerprint of the peer it holds, and its rank; nobody's is beyond all.
    holder: u64,
    rank: Rank,
}

/// The smallest wins.
type Rank = [u64; 3];

const NOBODY: Rank = [u64::MAX; 3];

/// A peer as slots see it: hashes that only this node can compute.
struct Candidate {
    /// How often it was mentioned while it was in the view, and selected.
    hits: u32,
    wide: u64,
    narrow: u64,
    fingerprint: u64,
}

impl Basalt {
    /// Basalt that tells `fanout` descriptors of its view in each message, 1 to v, beside its own.
    ///
    /// Its other settings are the paper's: as many slots as the view has places, of which half are
    /// renewed every v/2 rounds, here one by one, and [`Ranking::Prefixes`].
    pub fn new(fanout: usize) -> Self {
        Self {
            ranking: Ranking::default(),
            fanout,
            renewal: (1, 1),
            rounds: 0,
            key: (0, 0),
            slots: Vec::new(),
            next: 0,
            known: Vec::new(),
        }
    }

    /// What the slots compare. Default: [`Ranking::Prefixes`].
    pub fn with_ranking(mut self, ranking: Ranking) -> Self {
        self.ranking = ranking;
        self
    }

    /// The paper's k and r: every `rounds` rounds the next `slots` slots get new seeds, 1 to v of them.
    /// Fewer per round: attackers have less from being heard first. More: fresher samples, and more of
    /// them. Default: one in every round, as many as the paper's 50 in 50 rounds.
    pub fn with_renewal(mut self, slots: usize, rounds: usize) -> Self {
        self.renewal = (slots, rounds);
        self
    }

    fn prepare<R: Rng + ?Sized>(&mut self, view_size: usize, rng: &mut R) {
        if self.slots.len() == view_size {
            return;
        }
        self.key = rng.random();
        self.slots.clear();
        self.slots
            .resize_with(view_size, || Slot::new(rng.random()));
    }

    /// The peer with what its slots know of it, if there are any.
    fn candidate<P: Peer>(&self, peer: &P) -> Candidate {
        let fingerprint = self.hash(peer.id());
        let hits = self.held(fingerprint).map_or(1, |slot| slot.hits);
        // Peers without networks are networks of their own.
        let mut tickets = (fingerprint, fingerprint);
        if let Ranking::Prefixes { wide, narrow } = self.ranking
            && let Some(prefixes) = peer.prefixes()
        {
            let share = fingerprint % u64::from(narrow.max(1));
            tickets.1 = self.hash(&(prefixes.narrow(), share));
            let share = tickets.1 % u64::from(wide.max(1));
            tickets.0 = self.hash(&(prefixes.wide(), share));
        }
        let (wide, narrow) = tickets;
        Candidate {
            hits,
            wide,
            narrow,
            fingerprint,
        }
    }

    /// Nobody without the key can find two peers with the same hash, or one that a slot prefers.
    fn hash(&self, what: &impl Hash) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        what.hash(&mut hasher);
        std::hash::Hasher::finish(&hasher)
    }

    fn read<P: Peer>(&mut self, view: &View<P>) {
        let mut known = std::mem::take(&mut self.known);
        known.clear();
        known.extend(view.iter().map(|d| self.hash(d.peer.id())));
        self.known = known;
    }

    /// Paper, update: "for each slot, each candidate: H(seed, candidate) < H(seed, peer): peer =
    /// candidate, hits = 1". Returns whether any slot took it.
    fn offer(&mut self, candidate: &Candidate) -> bool {
        let slots = self.slots.iter_mut();
        slots.fold(false, |taken, slot| slot.offer(candidate) | taken)
    }

    /// Paper, update: "same peer: hits++".
    fn hit(&mut self, fingerprint: u64) {
        for slot in &mut self.slots {
            if slot.holder == fingerprint {
                slot.hits = slot.hits.saturating_add(1);
            }
        }
    }

    /// One of the slots that hold the peer. All of them agree on its hits.
    fn held(&self, fingerprint: u64) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.holder == fingerprint)
    }

    /// Lets the peers go that no slot holds.
    fn drop_losers<P: Peer>(&mut self, view: &mut View<P>) {
        let mut holders: Vec<u64> = self.slots.iter().map(|slot| slot.holder).collect();
        holders.sort_unstable();
        view.retain(|peer| holders.binary_search(&self.hash(peer.id())).is_ok());
    }
}

impl Slot {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            hits: 1,
            holder: 0,
            rank: NOBODY,
        }
    }

    fn offer(&mut self, candidate: &Candidate) -> bool {
        // Nearly always the first number decides.
        let wide = mix(self.seed, candidate.wide);
        if wide > self.rank[0] {
            return false;
        }
        let rank = [
            wide,
            mix(self.seed, candidate.narrow),
            mix(self.seed, candidate.fingerprint),
        ];
        if rank >= self.rank {
            return false;
        }
        self.rank = rank;
        self.holder = candidate.fingerprint;
        self.hits = candidate.hits;
        true
    }
}

/// A permutation of the secret hashes for each seed (the finaliser of MurmurHash3). It need not be hard
/// to invert, as nobody ever sees what goes in or comes out.
fn mix(seed: u64, hash: u64) -> u64 {
    let mut mixed = hash ^ seed;
    mixed = (mixed ^ mixed >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed = (mixed ^ mixed >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ mixed >> 33
}

impl<P: Peer> Overlay<P> for Basalt {
    fn check(&self, view_size: usize) -> Result<(), OverlayError> {
        let (slots, rounds) = self.renewal;
        if !(1..=view_size).contains(&self.fanout) {
            return Err(OverlayError::Other(
                format!(
                    "Basalt tells {} descriptors, must be 1 to the view size {view_size}",
                    self.fanout
                )
                .into(),
            ));
        }
        if !(1..=view_size).contains(&slots) || rounds == 0 {
            return Err(OverlayError::Other(
                format!(
                    "Basalt renews {slots} slots every {rounds} rounds, must be 1 to the view size \
                     {view_size} every 1 or more"
                )
                .into(),
            ));
        }
        Ok(())
    }

    /// Paper: "push view to q", "on pull: push view back". Here only a random part of it, and nothing
    /// that the other side has just sent itself.
    fn arrange<R: Rng + ?Sized>(
        &mut self,
        view: &mut View<P>,
        arrange: Arrange<'_, P>,
        rng: &mut R,
    ) -> Outgoing {
        let known = arrange.known.iter().map(|d| d.peer.id());
        let untold = view.move_to_end(known.chain([arrange.partner]));
        view.permute_head(self.fanout, untold, rng);
        Outgoing {
            local: true,
            entries: self.fanout.min(untold),
        }
    }

    /// Paper, "on push(list): update(list); update([sender])".
    fn merge<R: Rng + ?Sized>(&mut self, view: &mut View<P>, merge: Merge<'_, P>, rng: &mut R) {
        self.prepare(merge.view_size, rng);
        self.read(view);
        // More than an honest node sends is not looked at.
        merge.received.truncate(self.fanout + 1);
        if !merge.received.iter().any(|d| d.peer.id() == merge.partner) {
            self.hit(self.hash(merge.partner));
        }
        for descriptor in merge.received.drain(..) {
            let candidate = self.candidate(&descriptor.peer);
            if self.known.contains(&candidate.fingerprint) {
                self.hit(candidate.fingerprint);
                view.insert(descriptor);
            } else if self.offer(&candidate) {
                self.known.push(candidate.fingerprint);
                view.insert(descriptor);
            }
        }
        self.drop_losers(view);
    }

    /// Paper: "every r rounds: the next k slots in turn: emit the peer as a sample; new seed; hits = 1;
    /// rank that slot anew over the old view".
    fn begin_round<R: Rng + ?Sized>(
        &mut self,
        view: &mut View<P>,
        view_size: usize,
        samples: &mut Vec<P>,
        rng: &mut R,
    ) {
        self.prepare(view_size, rng);
        view.increase_age();
        self.rounds += 1;
        let (slots, rounds) = self.renewal;
        if !self.rounds.is_multiple_of(rounds) {
            return;
        }
        self.read(view);
        let candidates: Vec<Candidate> = view.iter().map(|d| self.candidate(&d.peer)).collect();
        for _ in 0..slots {
            let slot = &mut self.slots[self.next];
            let held = self.known.iter().position(|known| *known == slot.holder);
            if let Some(at) = held {
                samples.push(view.as_slice()[at].peer.clone());
            }
            *slot = Slot::new(rng.random());
            for candidate in &candidates {
                slot.offer(candidate);
            }
            self.next = (self.next + 1) % self.slots.len();
        }
        self.drop_losers(view);
    }

    /// Paper, select: "the slot with the fewest hits; hits++; its peer". Among equals a random one.
    fn select_partner<R: Rng + ?Sized>(
        &mut self,
        view: &View<P>,
        eligible: impl Fn(&P::Id) -> bool,
        rng: &mut R,
    ) -> Option<P::Id> {
        let mut fewest: Option<((u32, u32), &P::Id, u64)> = None;
        for descriptor in view.iter().filter(|d| eligible(d.peer.id())) {
            let fingerprint = self.hash(descriptor.peer.id());
            let hits = self.held(fingerprint).map_or(0, |slot| slot.hits);
            let drawn = (hits, rng.random());
            if fewest.is_none_or(|(least, ..)| drawn < least) {
                fewest = Some((drawn, descriptor.peer.id(), fingerprint));
            }
        }
        let (_, peer, fingerprint) = fewest?;
        self.hit(fingerprint);
        Some(peer.clone())
    }

    /// Slots whose peer is gone take the next best that is known; peers that were put in compete.
    fn view_changed<R: Rng + ?Sized>(&mut self, view: &mut View<P>, view_size: usize, rng: &mut R) {
        self.prepare(view_size, rng);
        self.read(view);
        for slot in &mut self.slots {
            if !self.known.contains(&slot.holder) {
                *slot = Slot::new(slot.seed);
            }
        }
        for descriptor in view.iter() {
            let candidate = self.candidate(&descriptor.peer);
            self.offer(&candidate);
        }
        self.drop_losers(view);
    }

    /// A peer may hold several slots, so a view is never quite full.
    fn has_room(&self, view: &View<P>, view_size: usize) -> bool {
        view.len() < view_size / 2
    }
}

impl fmt::Debug for Basalt {
    /// Without what must stay secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Basalt")
            .field("ranking", &self.ranking)
            .field("fanout", &self.fanout)
            .field("renewal", &self.renewal)
            .finish_non_exhaustive()
    }
}
