//! Basalt: views that attackers cannot fill, since nobody knows what a slot looks for.

mod slot;
#[cfg(test)]
mod tests;

use std::{fmt, hash::Hash};

use rand::{Rng, RngExt};
use siphasher::sip::SipHasher13;

use crate::{
    peer::Peer,
    sampling::{
        mode::selection::Selection,
        overlay::{
            Choice, Outcome, Overlay, OverlayError,
            basalt::slot::{Candidate, Slot},
            cyclon::shuffle_length,
            exchange::{Merge, Outgoing, Side},
            healing::Healing,
        },
        view::View,
    },
};

/// The attack-resistant overlay (Auvolat, Bromberg, Frey, Mvondo, Taïani, *Basalt: A Rock-Solid
/// Byzantine-Tolerant Peer Sampling for Very Large Decentralized Networks*, 2021).
///
/// A node has v slots, as many as the view size. Each has a secret random seed. Of all peers that
/// it has been told of since it got that seed, it holds the one whose hash with the seed is the
/// smallest. How often a peer is mentioned makes no difference. So attackers who flood the network
/// with their identities win about as many slots as their share of all identities. Seeds are
/// renewed slot by slot; the peer whose slot is renewed is given out as a sample, by
/// [`Sampler::next_sample`](crate::sampling::sampler::Sampler::next_sample).
///
/// Where identities cost nothing, [`Ranking::Prefixes`] lets networks compete, and peers only
/// within them.
///
/// # What is not the paper's
///
/// - A message carries a part of the view, [`shuffle_length`](Self::new), instead of all of it; an
///   answer leaves out what the request has told.
/// - **Nobody is told of a peer that has not answered this node itself** within the last rounds
///   ([`with_memory`](Self::with_memory)). So invented peers, and addresses that are not their
///   owner's, do not spread, and the dead stop spreading.
/// - Every other round goes to the peer that has been silent longest, instead of the one with the
///   fewest hits. When exchanges fail, so do up to v/8 more per round. Otherwise the dead would
///   stay. In the paper's protocol 39 % of the links are still dead 28 rounds after half of the
///   nodes have crashed; here less than 1 %.
/// - Slots are renewed one by one, more slowly than in the paper. Hits belong to the peer, not to
///   the slot. Otherwise a renewed slot would always be selected next, and a node whose view
///   attackers have filled would never get out.
///
/// Measured, n=1000, v=100, attackers push to 10 nodes each per round, 200 rounds; the attackers'
/// share of honest views, and the descriptors that a node sends per round:
///
/// | | f=10 % | f=30 % | sent |
/// |---|---|---|---|
/// | as in the paper, identities, whole views | 10.7 % | 31.8 % | 179 |
/// | the default, identities | 11.5 % | 34.0 % | 58 |
/// | the default, prefixes | 11.7 % | 33.6 % | 60 |
///
/// With all attackers in one /16, with 30,000 identities: 3.1 %, and 100 % in the paper's ranking
/// by identities alone.
///
/// # How many samples there are
///
/// A node gives out one sample every other round, see [`with_renewal`](Self::with_renewal): 3 in a
/// minute at a period of 10 s. These are even: n=30, v=30, identities, 6,000 samples of all nodes
/// together have a chi-square of 29 (29 degrees of freedom).
///
/// A reader that draws more often gets peers of the view, and those repeat: a slot keeps its peer
/// for 2v rounds. A peer may hold several slots, and another none: a view holds 1-(1-1/n)^v of n
/// peers, 65 % when v=n, 97 % when n=30 and v=100. The others are not drawn until a slot takes
/// them. Measured, n=30, 10 draws per round for 60 rounds: 5 of 29 were never drawn with v=30, 2
/// with v=100; 0 and 0 within 500 rounds.
#[derive(Clone)]
pub struct Basalt {
    ranking: Ranking,
    shuffle_length: usize,
    /// How many slots are renewed, and every how many rounds.
    renewal: (usize, usize),
    /// For how many rounds an answer makes a peer worth telling of.
    memory: usize,
    rounds: usize,
    /// Whether the next partner is the one that was silent longest.
    probing: bool,
    /// More than one round's exchanges, of which failures end at other times than answers.
    healing: Healing<32, 8>,
    /// What makes this node's hashes its own. Drawn with the slots.
    key: (u64, u64),
    slots: Vec<Slot>,
    /// The next slot to be renewed.
    next: usize,
    /// One for each peer of the view, in no order.
    members: Vec<Member>,
}

/// What the slots of [`Basalt`] compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ranking {
    /// Identities: every peer has the same chance, and so has every invented one. For networks in
    /// which identities are hard to get, and for those within one subnet.
    Identity,
    /// Networks first (see [`Prefixes`](crate::peer::Prefixes)). Each wide network competes with at
    /// most `wide` tickets, which its peers share, each narrow one with at most `narrow`. Peers
    /// with the same ticket compete by identity. So nobody gains by more identities in the same
    /// networks, and all peers in networks that are not crowded have the same chance.
    ///
    /// The paper's hierarchical hashing is one ticket each. Every network then has the same chance,
    /// and where hosts crowd in a few networks most of them are hardly ever sampled.
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

/// For how many rounds a node eagerly looks for many peers. A guess: from a star, views are half
/// full after 20 (measured, n=1000).
const JOINING: usize = 30;

/// What is noted of a peer of the view.
#[derive(Debug, Clone, Copy)]
struct Member {
    fingerprint: u64,
    /// How often it was mentioned, and selected.
    hits: u32,
    /// Whether it has answered an exchange of ours.
    answered: bool,
    /// The round in which it did so last; before the first time, that in which it came in.
    since: usize,
}

impl Basalt {
    /// Basalt with `shuffle_length` descriptors in each message, this node's own included; 1 to v.
    ///
    /// The bounds of all settings are checked when the overlay meets its view size, in
    /// [`Sampler::new`](crate::sampling::sampler::Sampler::new).
    pub fn new(shuffle_length: usize) -> Self {
        Self {
            ranking: Ranking::default(),
            shuffle_length,
            renewal: (1, 2),
            memory: 60,
            rounds: 0,
            probing: false,
            healing: Healing::new(),
            key: (0, 0),
            slots: Vec::new(),
            next: 0,
            members: Vec::new(),
        }
    }

    /// The default for views of `view_size` peers: a third of them in each message, and at least
    /// two. With this node alone in it nobody would hear of others.
    ///
    /// Measured (n=1000, v=100, identities, f=10 and 30 %), at one renewal per round. Attackers
    /// have 10.7 and 31.8 % with all of the view in each message, 11.2 and 33.0 with half of it.
    /// They have 12.2 and 35.5 with 30 descriptors, 14.8 and 43.7 with 15. At one renewal every
    /// second round they have 11.5 and 34.0 with 30.
    pub fn for_view_size(view_size: usize) -> Self {
        Self::new(view_size.div_ceil(3).max(2))
    }

    /// What the slots compare. Default: [`Ranking::Prefixes`].
    pub fn with_ranking(mut self, ranking: Ranking) -> Self {
        self.ranking = ranking;
        self
    }

    /// The paper's k and r: every `rounds` rounds the next `slots` slots, 1 to v, get new seeds.
    /// With more slots there are more samples, and fresher ones. With fewer, attackers gain less by
    /// being heard first; that gain grows with the network. Measured at n=3000, v=100, f=10 %:
    /// attackers have 15.7 % of views after 200 rounds, and 11.6 % with 1 slot every 8 rounds.
    /// Default: 1 slot every 2 rounds (the paper's experiments have 50 in 50; see
    /// [`for_view_size`](Self::for_view_size)).
    pub fn with_renewal(mut self, slots: usize, rounds: usize) -> Self {
        self.renewal = (slots, rounds);
        self
    }

    /// For how many rounds after a peer's last answer this node tells others of it. `usize::MAX`:
    /// it tells of all peers of the view, whether or not they have answered. When exchanges fail
    /// this shrinks to a quarter. Default: 60 rounds.
    ///
    /// Measured (as above, prefixes, f=30 %): with 30 rounds attackers have 34.7 %, with 60 33.6 %.
    /// In 30 rounds fewer peers answer than the shuffle length.
    pub fn with_memory(mut self, rounds: usize) -> Self {
        self.memory = rounds;
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

    fn candidate<P: Peer>(&self, peer: &P) -> Candidate {
        let fingerprint = self.hash(peer.id());
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

    fn member(&self, fingerprint: u64) -> Option<&Member> {
        self.members.iter().find(|m| m.fingerprint == fingerprint)
    }

    fn member_mut(&mut self, fingerprint: u64) -> Option<&mut Member> {
        let mut members = self.members.iter_mut();
        members.find(|m| m.fingerprint == fingerprint)
    }

    /// Paper, update: "same peer: hits++". Returns whether it is a member.
    fn hit(&mut self, fingerprint: u64) -> bool {
        let member = self.member_mut(fingerprint);
        member.is_some_and(|member| {
            member.hits = member.hits.saturating_add(1);
            true
        })
    }

    fn enter(&mut self, fingerprint: u64) {
        self.members.push(Member {
            fingerprint,
            hits: 1,
            answered: false,
            since: self.rounds,
        });
    }

    /// Whether the peer has answered lately, so that others may be told of it.
    fn vouches_for(&self, fingerprint: u64) -> bool {
        if self.memory == usize::MAX {
            return true;
        }
        let memory = self.memory - self.healing.healer(self.memory / 4 * 3);
        let member = self.member(fingerprint);
        member.is_some_and(|m| m.answered && m.since.saturating_add(memory) >= self.rounds)
    }

    /// Paper, update: "for each slot, each candidate: H(seed, candidate) < H(seed, peer): peer =
    /// candidate, hits = 1". Returns whether any slot took it.
    fn offer(&mut self, candidate: &Candidate) -> bool {
        let slots = self.slots.iter_mut();
        slots.fold(false, |taken, slot| slot.offer(candidate) | taken)
    }

    /// Lets the slots of these holders look anew, with the seeds that they have.
    fn vacate(&mut self, holders: impl Fn(u64) -> bool) {
        for slot in self.slots.iter_mut().filter(|slot| holders(slot.holder)) {
            *slot = Slot::new(slot.seed);
        }
    }

    /// Every peer of the view competes for every slot.
    fn offer_all<P: Peer>(&mut self, view: &View<P>) {
        for descriptor in view {
            let candidate = self.candidate(&descriptor.peer);
            self.offer(&candidate);
        }
    }

    /// Lets the peers go that no slot holds.
    fn drop_losers<P: Peer>(&mut self, view: &mut View<P>) {
        let mut holders: Vec<u64> = self.slots.iter().map(|slot| slot.holder).collect();
        holders.sort_unstable();
        let holds = |fingerprint| holders.binary_search(&fingerprint).is_ok();
        view.retain(|peer| holds(self.hash(peer.id())));
        self.members.retain(|member| holds(member.fingerprint));
    }
}

impl<P: Peer> Overlay<P> for Basalt {
    type Mode = Selection;

    fn check(&self, view_size: usize) -> Result<(), OverlayError> {
        if !(1..=view_size).contains(&self.shuffle_length) {
            return Err(shuffle_length(self.shuffle_length, view_size));
        }
        let (slots, rounds) = self.renewal;
        if !(1..=view_size).contains(&slots) || rounds == 0 {
            return Err(OverlayError::new(format!(
                "renewing {slots} slots every {rounds} rounds: must be 1 to the view size \
                 {view_size}, every 1 round or more"
            )));
        }
        Ok(())
    }

    /// Paper: "push view to q", "on pull: push view back". Here only a random part of it: no peer
    /// that the other side has just told of itself, and none that has not answered this node.
    fn compose<R: Rng + ?Sized>(
        &mut self,
        view: &mut View<P>,
        outgoing: &mut Outgoing<'_, P>,
        rng: &mut R,
    ) {
        let unverified: Vec<P::Id> = view
            .iter()
            .map(|d| d.peer.id())
            .filter(|id| !self.vouches_for(self.hash(id)))
            .cloned()
            .collect();
        let known = outgoing.known.iter().map(|d| d.peer.id());
        let untold = view.move_to_end(known.chain([outgoing.partner]).chain(&unverified));
        let entries = (self.shuffle_length - 1).min(untold);
        view.permute_head(entries, untold, rng);
        outgoing.push_local();
        outgoing.extend(view.head(entries));
    }

    /// Paper, "on push(list): update(list); update(\[sender\])".
    fn merge<R: Rng + ?Sized>(&mut self, view: &mut View<P>, merge: Merge<'_, P>, rng: &mut R) {
        self.prepare(merge.view_size, rng);
        // More than an honest node sends is not looked at.
        merge.received.truncate(self.shuffle_length);
        let partner = self.hash(merge.partner);
        if !merge.received.iter().any(|d| d.peer.id() == merge.partner) {
            self.hit(partner);
        }
        let mut moved = false;
        for descriptor in merge.received.drain(..) {
            let candidate = self.candidate(&descriptor.peer);
            if self.hit(candidate.fingerprint) {
                let (id, said) = (descriptor.peer.id().clone(), descriptor.peer.prefixes());
                let networks = |view: &View<P>| view.get(&id).and_then(|d| d.peer.prefixes());
                let before = networks(view);
                view.insert(descriptor);
                // Older records may say otherwise, too, and are not taken over.
                if said != before && networks(view) != before {
                    self.vacate(|fingerprint| fingerprint == candidate.fingerprint);
                    moved = true;
                }
            } else if self.offer(&candidate) {
                self.enter(candidate.fingerprint);
                view.insert(descriptor);
            }
        }
        // Otherwise a peer could claim a network of few, then its real one, and keep the slots.
        if moved {
            self.offer_all(view);
        }
        let round = self.rounds;
        if let Some(member) = self.member_mut(partner)
            && merge.side == Side::Active
        {
            member.answered = true;
            member.since = round;
        }
        self.drop_losers(view);
    }

    /// Paper: "every r rounds: the next k slots in turn: emit the peer as a sample; new seed; hits
    /// = 1; rank that slot anew over the old view". A peer of the view keeps its hits: if they were
    /// the slot's, the newest would always be selected next.
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
        self.probing = self.rounds.is_multiple_of(2);
        let (slots, rounds) = self.renewal;
        if !self.rounds.is_multiple_of(rounds) {
            return;
        }
        let candidates: Vec<Candidate> = view.iter().map(|d| self.candidate(&d.peer)).collect();
        for _ in 0..slots {
            let slot = &mut self.slots[self.next];
            let mut peers = view.iter().zip(&candidates);
            let held = peers.find(|(_, candidate)| candidate.fingerprint == slot.holder);
            samples.extend(held.map(|(d, _)| d.peer.clone()));
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
    ) -> Choice<P::Id> {
        let probing = std::mem::replace(&mut self.probing, true);
        let mut first: Option<((usize, u32), &P::Id, u64)> = None;
        for descriptor in view.iter().filter(|d| eligible(d.peer.id())) {
            let fingerprint = self.hash(descriptor.peer.id());
            let key = self.member(fingerprint).map_or(0, |member| match probing {
                true => member.since,
                false => member.hits as usize,
            });
            let drawn = (key, rng.random());
            if first.is_none_or(|(least, ..)| drawn < least) {
                first = Some((drawn, descriptor.peer.id(), fingerprint));
            }
        }
        let Some((_, peer, fingerprint)) = first else {
            return Choice::Nobody;
        };
        self.hit(fingerprint);
        Choice::Exchange(peer.clone())
    }

    fn gives_samples(&self) -> bool {
        true
    }

    fn exchange_ended(&mut self, _partner: &P::Id, outcome: Outcome) {
        self.healing.note(outcome);
    }

    fn extra_exchanges(&self, view_size: usize) -> usize {
        self.healing.healer(view_size / 8)
    }

    /// Slots whose peer is gone take the next best that is known; peers that were put in compete.
    fn view_changed<R: Rng + ?Sized>(&mut self, view: &mut View<P>, view_size: usize, rng: &mut R) {
        self.prepare(view_size, rng);
        let known: Vec<u64> = view.iter().map(|d| self.hash(d.peer.id())).collect();
        self.vacate(|fingerprint| !known.contains(&fingerprint));
        self.offer_all(view);
        for fingerprint in known {
            if self.member(fingerprint).is_none() {
                self.enter(fingerprint);
            }
        }
        self.drop_losers(view);
    }

    /// A peer may hold several slots, so a view is never quite full; in a small network it never
    /// comes to half. So the node is eager only at first, and while exchanges fail.
    fn has_room(&self, view: &View<P>, view_size: usize) -> bool {
        let unsettled = self.rounds < JOINING || self.healing.healer(view_size) > 0;
        unsettled && view.len() < view_size / 2
    }
}

impl fmt::Debug for Basalt {
    /// Without what must stay secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Basalt")
            .field("ranking", &self.ranking)
            .field("shuffle_length", &self.shuffle_length)
            .field("renewal", &self.renewal)
            .field("memory", &self.memory)
            .finish_non_exhaustive()
    }
}
