//! Basalt: views that attackers cannot fill, since nobody knows what a slot looks for.

use std::{fmt, hash::Hash};

use rand::{Rng, RngExt};
use siphasher::sip::SipHasher13;

use crate::{
    peer::Peer,
    sampling::{
        overlay::{
            Choice, Merge, Outcome, Overlay, OverlayError, Side, cyclon::shuffle_length,
            healing::Healing, outgoing::Outgoing,
        },
        view::View,
    },
};

/// The attack-resistant overlay (Auvolat, Bromberg, Frey, Mvondo, Taïani, *Basalt: A Rock-Solid
/// Byzantine-Tolerant Peer Sampling for Very Large Decentralized Networks*, 2021).
///
/// A node has v slots, as many as the view size. Each has a secret random seed, and holds, of all peers
/// that it has been told of since it got that seed, the one whose hash with the seed is the smallest: how
/// often a peer is mentioned makes no difference. So attackers who flood the network with their
/// identities win about as many slots as their share of all identities. Seeds are renewed slot by
/// slot; the peer whose slot is renewed is given out as a sample, by
/// [`Sampler::next_sample`](crate::sampling::sampler::Sampler::next_sample).
///
/// Where identities cost nothing, [`Ranking::Prefixes`] lets networks compete, and peers only within
/// them.
///
/// # What is not the paper's
///
/// - A message carries a part of the view, [`shuffle_length`](Self::new), instead of all of it; an answer
///   leaves out what the request has told.
/// - **Nobody is told of a peer that has not answered this node itself** within the last rounds
///   ([`with_memory`](Self::with_memory)). So invented peers, and addresses that are not their owner's, do
///   not spread, and the dead stop spreading.
/// - Every other round goes to the peer that has been silent longest, instead of the one with the
///   fewest hits; and when exchanges fail, up to v/8 more per round. Otherwise the dead would stay: in the
///   paper's protocol, after half of the nodes have crashed, 39 % of the links are still dead 28 rounds
///   later; here less than 1 %.
/// - Slots are renewed one by one, more slowly than in the paper, and hits belong to the peer, not to the
///   slot: were they of the slot, a renewed one would always be selected next, and a node whose view
///   attackers have filled would never get out.
///
/// Measured, n=1000, v=100, attackers push to 10 nodes each per round, 200 rounds; the attackers' share of
/// honest views, and the descriptors that a node sends per round:
///
/// | | f=10 % | f=30 % | sent |
/// |---|---|---|---|
/// | as in the paper, identities, whole views | 10.7 % | 31.8 % | 179 |
/// | the default, identities | 11.5 % | 34.0 % | 58 |
/// | the default, prefixes | 11.7 % | 33.6 % | 60 |
///
/// With all attackers in one /16, of 30,000 identities: 3.1 %, and in the paper's ranking by identities
/// alone 100 %.
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
    /// Identities: every peer has the same chance, and so has every invented one. For networks in which
    /// identities are hard to get, and for those within one subnet.
    Identity,
    /// Networks first (see [`Prefixes`](crate::peer::Prefixes)). Each wide network competes with at
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

/// A secret seed, and who ranks best with it.
#[derive(Debug, Clone)]
struct Slot {
    seed: u64,
    /// The fingerprint of the peer it holds, and its rank; nobody's is beyond all.
    holder: u64,
    rank: Rank,
}

/// The smallest wins.
type Rank = [u64; 3];

/// For how many rounds a node is in haste to know many. A guess: from a star, views are half full after 20
/// (measured, n=1000).
const JOINING: usize = 30;

const NOBODY: Rank = [u64::MAX; 3];

/// A peer as slots see it: hashes that only this node can compute.
struct Candidate {
    wide: u64,
    narrow: u64,
    fingerprint: u64,
}

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

    /// The default for views of `view_size` peers: a third of them in each message, and at least two: with this
    /// node alone in it nobody would hear of others.
    ///
    /// Measured (n=1000, v=100, identities, f=10 and 30 %): with all of the view in each message attackers have
    /// 10.7 and 31.8 %, with half of it 11.2 and 33.0, with 30 descriptors 12.2 and 35.5, with 15 14.8
    /// and 43.7 %, at one renewal per round; at one every second round 11.5 and 34.0 with 30.
    pub fn for_view_size(view_size: usize) -> Self {
        Self::new(view_size.div_ceil(3).max(2))
    }

    /// What the slots compare. Default: [`Ranking::Prefixes`].
    pub fn with_ranking(mut self, ranking: Ranking) -> Self {
        self.ranking = ranking;
        self
    }

    /// The paper's k and r: every `rounds` rounds the next `slots` slots, 1 to v, get new seeds. More
    /// slots: fresher samples, and more of them. Fewer: what attackers gain by being heard first weighs
    /// less, which it does the more the larger the network is: measured at n=3000, v=100, f=10 %, attackers have 15.7 % of views after 200
    /// rounds, and with 1 slot every 8 rounds 11.6 %. Default: 1 slot every 2 rounds (the paper's experiments have 50 in
    /// 50; see [`for_view_size`](Self::for_view_size)).
    pub fn with_renewal(mut self, slots: usize, rounds: usize) -> Self {
        self.renewal = (slots, rounds);
        self
    }

    /// For how many rounds after its last answer to this node others are told of a peer; `usize::MAX` for
    /// all peers of the view, in which case it need not have answered. When exchanges fail it shrinks to a quarter. Default: 60 rounds.
    ///
    /// Measured (as above, prefixes, f=30 %): with 30 rounds attackers have 34.7 %, with 60 33.6 %: of
    /// fewer than the shuffle length of peers nobody can be told.
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

impl Slot {
    fn new(seed: u64) -> Self {
        Self {
            seed,
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

    /// Paper: "push view to q", "on pull: push view back". Here only a random part of it: nobody that the
    /// other side has just told of itself, and nobody who has not answered this node.
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
        // Or whoever says that it is in a network of few, and then where it is, would keep the slots.
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

    /// Paper: "every r rounds: the next k slots in turn: emit the peer as a sample; new seed; hits = 1;
    /// rank that slot anew over the old view". A peer of the view keeps its hits: were they of the slot,
    /// the newest would always be selected next.
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

    /// A peer may hold several slots, so a view is never quite full; in a small network it never comes to
    /// half. So there is haste only at first, and while exchanges fail.
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::{
        gossip::Failure,
        peer::Prefixes,
        sampling::{
            sampler::{
                Sampler,
                config::Config,
                message::{Request, Response},
            },
            view::Descriptor,
        },
        time::Time,
    };

    const V: usize = 50;
    const ROUND: Duration = Duration::from_secs(10);

    /// A peer and its /16; the /24 is one of 256 in it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Host {
        id: u32,
        network: u64,
    }

    impl Peer for Host {
        type Id = u32;

        fn id(&self) -> &u32 {
            &self.id
        }

        fn prefixes(&self) -> Option<Prefixes> {
            let narrow = self.network * 256 + u64::from(self.id % 256);
            Some(Prefixes::new(self.network, narrow))
        }

        fn refresh(&mut self, other: Self) {
            *self = other;
        }
    }

    /// Each in a network of its own.
    fn host(id: u32) -> Host {
        Host {
            id,
            network: u64::from(id),
        }
    }

    type Node = Sampler<Host, Basalt, StdRng>;

    fn node(overlay: Basalt, seed: u64) -> Node {
        let config = Config::default().with_view_size(V).with_eager_delay(ROUND);
        let rng = StdRng::seed_from_u64(seed);
        let mut node = Sampler::new(0, config, overlay, rng).expect("valid settings");
        node.set_local(Some(host(0)));
        node
    }

    /// Others push these to the node, a message each.
    fn push(node: &mut Node, hosts: impl IntoIterator<Item = Host>) {
        let hosts: Vec<Host> = hosts.into_iter().collect();
        for told in hosts.chunks(16) {
            let request = Request {
                descriptors: told.iter().cloned().map(Descriptor::fresh).collect(),
                pull: false,
                room: usize::MAX,
            };
            node.handle_request(&9_999_999, request, Time::new(ROUND));
        }
    }

    fn share(node: &Node, is: impl Fn(&Host) -> bool) -> f64 {
        let count = node.view().iter().filter(|d| is(&d.peer)).count();
        count as f64 / node.view().len() as f64
    }

    fn ids(node: &Node) -> Vec<u32> {
        let mut ids: Vec<u32> = node.view().iter().map(|d| d.peer.id).collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn how_often_a_peer_is_mentioned_makes_no_difference() {
        let overlay = || Basalt::for_view_size(V);
        let (mut once, mut often) = (node(overlay(), 1), node(overlay(), 1));
        push(&mut once, (1..=400).map(host));
        for _ in 0..20 {
            push(&mut often, (1..=40).map(host));
        }
        push(&mut often, (1..=400).map(host));
        assert_eq!(ids(&once), ids(&often));
        // The order makes none either.
        let mut backwards = node(overlay(), 1);
        push(&mut backwards, (1..=400).rev().map(host));
        assert_eq!(ids(&once), ids(&backwards));
    }

    #[test]
    fn two_nodes_keep_different_peers() {
        let overlay = || Basalt::for_view_size(V);
        let (mut one, mut other) = (node(overlay(), 1), node(overlay(), 2));
        push(&mut one, (1..=5_000).map(host));
        push(&mut other, (1..=5_000).map(host));
        let both = ids(&one)
            .iter()
            .filter(|id| other.view().contains(id))
            .count();
        assert!(both < 5, "{both} of {V}");
    }

    /// 200 honest hosts in as many networks, and one network with 5,000 identities.
    #[test]
    fn a_network_has_no_more_than_its_tickets() {
        let of_one_network = |ranking| {
            let mut node = node(Basalt::new(17).with_ranking(ranking), 3);
            push(&mut node, (1..=200).map(host));
            let crowd = |id| Host { id, network: 7_777 };
            push(&mut node, (10_000..15_000).map(crowd));
            share(&node, |host| host.network == 7_777)
        };
        let by_identity = of_one_network(Ranking::Identity);
        assert!(by_identity > 0.85, "{by_identity}");
        let shared = of_one_network(Ranking::default());
        assert!((0.0..0.25).contains(&shared), "16 of 216: {shared}");
        let papers = of_one_network(Ranking::Prefixes { wide: 1, narrow: 1 });
        assert!(papers <= 2.0 / V as f64 + 0.05, "1 of 201: {papers}");
    }

    /// They claim one network after the other until they are in, and then say where they are.
    #[test]
    fn who_moves_competes_anew() {
        let mut node = node(Basalt::for_view_size(V), 3);
        push(&mut node, (1..=200).map(host));
        let crowd = 10_000..10_400_u32;
        for attempt in 0..10 {
            let elsewhere = |id| Host {
                id,
                network: u64::from(id) * 10 + attempt,
            };
            push(&mut node, crowd.clone().map(elsewhere));
        }
        assert!(share(&node, |host| host.id >= 10_000) > 0.5);
        push(&mut node, crowd.map(|id| Host { id, network: 7_777 }));
        push(&mut node, (1..=200).map(host));
        let left = share(&node, |host| host.network == 7_777);
        assert!(left < 0.25, "16 of 216: {left}");
    }

    /// Peers without a known network compete by identity, whatever the ranking.
    #[test]
    fn peers_without_networks_are_networks_of_their_own() {
        let config = Config::default().with_view_size(V);
        let rng = StdRng::seed_from_u64(4);
        let overlay = Basalt::for_view_size(V);
        let mut node: Sampler<u32, _, _> = Sampler::new(0, config, overlay, rng).expect("valid");
        node.init(1..=40);
        assert!(node.view().len() > 20, "{}", node.view().len());
    }

    #[test]
    fn others_are_told_only_of_those_that_have_answered() {
        let mut node = node(Basalt::for_view_size(V), 5);
        node.init((1..=40).map(host));
        let told = |node: &mut Node| {
            let pull = Request {
                descriptors: Vec::new(),
                pull: true,
                room: usize::MAX,
            };
            let response = node.handle_request(&77, pull, Time::new(ROUND));
            let told = response.descriptors.into_iter().map(|d| d.peer.id);
            told.collect::<Vec<u32>>()
        };
        assert_eq!(told(&mut node), [0], "nobody has answered yet");
        let mut answered = Vec::new();
        for round in 1..=5 {
            let exchange = node.poll_round(Time::new(round * ROUND)).expect("due");
            let nothing = Response {
                descriptors: Vec::new(),
            };
            node.handle_response(exchange.id, nothing, Time::new(round * ROUND))
                .expect("in flight");
            answered.push(exchange.partner);
        }
        let mut now = told(&mut node);
        now.sort_unstable();
        answered.push(0);
        answered.retain(|id| *id == 0 || node.view().contains(id));
        answered.sort_unstable();
        answered.dedup();
        assert_eq!(now, answered);
    }

    /// Of two who know only a third one, each hears of the other, however small the views are.
    #[test]
    fn the_smallest_views_spread_news() {
        for view_size in [2, 3, 4] {
            let node = |id: u32| {
                let config = Config::default().with_view_size(view_size).with_retries(1);
                let overlay = Basalt::for_view_size(view_size);
                let rng = StdRng::seed_from_u64(u64::from(id));
                let mut node = Sampler::new(id, config, overlay, rng).expect("valid settings");
                node.set_local(Some(id));
                node
            };
            let mut nodes = [node(0), node(1), node(2)];
            nodes[1].init([0]);
            nodes[2].init([0]);
            let mut heard = [false; 2];
            for round in 1..=200_u32 {
                let now = round * ROUND;
                for from in 0..3 {
                    while let Some(exchange) = nodes[from].poll_round(Time::new(now)) {
                        let to = exchange.partner as usize;
                        let answer = nodes[to].handle_request(
                            &(from as u32),
                            exchange.request,
                            Time::new(now),
                        );
                        nodes[from]
                            .handle_response(exchange.id, answer, Time::new(now))
                            .expect("in flight");
                    }
                }
                heard[0] |= nodes[1].view().contains(&2);
                heard[1] |= nodes[2].view().contains(&1);
            }
            assert_eq!(heard, [true; 2], "views of {view_size}");
        }
    }

    #[test]
    fn what_was_told_is_not_told_back() {
        let mut node = node(Basalt::for_view_size(V).with_memory(usize::MAX), 6);
        node.init((1..=10).map(host));
        let known: Vec<u32> = ids(&node).into_iter().take(5).collect();
        let request = Request {
            descriptors: known
                .iter()
                .map(|id| Descriptor::fresh(host(*id)))
                .collect(),
            pull: true,
            room: usize::MAX,
        };
        let response = node.handle_request(&known[0], request, Time::new(ROUND));
        assert!(response.descriptors.len() > 1);
        for descriptor in response.descriptors {
            assert!(!known.contains(&descriptor.peer.id));
        }
    }

    #[test]
    fn slots_that_are_renewed_give_out_their_peers() {
        let overlay = Basalt::for_view_size(V).with_renewal(2, 3);
        let mut node = node(overlay, 7);
        node.init((1..=40).map(host));
        let mut samples = 0;
        for round in 1..=30 {
            let before = ids(&node);
            let _ = node.poll_round(Time::new(round * ROUND));
            while let Some(sample) = node.next_sample() {
                assert!(before.contains(&sample.id));
                samples += 1;
            }
        }
        assert_eq!(samples, 2 * 30 / 3);
    }

    /// In a small network a view holds the same two thirds for a long time. What is given out is
    /// even all the same: chi-square with 29 degrees of freedom is below 58.3 with a probability
    /// of 0.999.
    #[test]
    fn samples_are_even_where_the_view_holds_two_thirds_of_the_network() {
        const N: u32 = 30;
        let node = |id: u32| {
            let overlay = Basalt::for_view_size(N as usize).with_ranking(Ranking::Identity);
            let config = Config::default().with_view_size(N as usize);
            let rng = StdRng::seed_from_u64(u64::from(id));
            let mut node = Sampler::new(id, config, overlay, rng).expect("valid settings");
            node.set_local(Some(id));
            node
        };
        let mut nodes: Vec<Sampler<u32, _, _>> = (0..N).map(node).collect();
        nodes[1..].iter_mut().for_each(|node| _ = node.init([0]));
        let mut counts = [0u32; N as usize];
        for round in 1..=500_u32 {
            let now = round * ROUND;
            for from in 0..N {
                while let Some(exchange) = nodes[from as usize].poll_round(Time::new(now)) {
                    let to = exchange.partner as usize;
                    let answer = nodes[to].handle_request(&from, exchange.request, Time::new(now));
                    nodes[from as usize]
                        .handle_response(exchange.id, answer, Time::new(now))
                        .expect("in flight");
                }
                while let Some(sample) = nodes[from as usize].next_sample() {
                    // The first hundred rounds are the joining's.
                    counts[sample as usize] += u32::from(round > 100);
                }
            }
        }
        let expected = f64::from(counts.iter().sum::<u32>()) / f64::from(N);
        let squares = counts
            .iter()
            .map(|&n| (f64::from(n) - expected).powi(2) / expected);
        let chi_square: f64 = squares.sum();
        assert!(chi_square < 58.3, "{chi_square}: {counts:?}");
        let held: usize = nodes.iter().map(|node| node.view().len()).sum();
        let mean = held as f64 / f64::from(N);
        assert!((17.0..21.0).contains(&mean), "{mean}");
    }

    #[test]
    fn the_next_best_takes_the_place_of_the_dead() {
        let mut node = node(Basalt::for_view_size(V), 8);
        push(&mut node, (1..=200).map(host));
        let gone = node.view().as_slice()[0].peer.id;
        let before = node.view().len();
        node.remove(&gone);
        assert!(!node.view().contains(&gone));
        assert!(node.view().len() >= before - 1);
        // Whoever is told again competes for the slot anew.
        push(&mut node, (1..=200).map(host));
        assert!(node.view().contains(&gone), "it ranks best as before");
    }

    #[test]
    fn every_member_has_a_slot_and_the_other_way_round() {
        let mut node = node(Basalt::for_view_size(V), 9);
        for round in 1..=200_u32 {
            push(&mut node, (round * 10..round * 10 + 40).map(host));
            while let Some(exchange) = node.poll_round(Time::new(round * ROUND)) {
                let failure = Failure::Unreachable;
                if round.is_multiple_of(3) {
                    node.handle_failure(exchange.id, failure, Time::new(round * ROUND))
                        .expect("in flight");
                }
            }
            let view = node.view().clone();
            let basalt = node.overlay();
            assert_eq!(basalt.members.len(), view.len());
            for descriptor in &view {
                let fingerprint = basalt.hash(&descriptor.peer.id);
                assert!(basalt.member(fingerprint).is_some());
                assert!(basalt.slots.iter().any(|slot| slot.holder == fingerprint));
            }
            let held = basalt.slots.iter().filter(|slot| slot.rank != NOBODY);
            for slot in held {
                assert!(basalt.member(slot.holder).is_some());
            }
        }
    }

    #[test]
    fn failures_bring_more_exchanges_and_answers_end_them() {
        let mut node = node(Basalt::for_view_size(V), 10);
        node.init((1..=50).map(host));
        let mut started = Vec::new();
        for round in 1..=40_u32 {
            let mut count = 0;
            while let Some(exchange) = node.poll_round(Time::new(round * ROUND)) {
                count += 1;
                let now = round * ROUND;
                if round <= 2 {
                    node.handle_failure(exchange.id, Failure::Unreachable, Time::new(now))
                        .expect("in flight");
                } else {
                    let descriptors = (1..=60).map(host).map(Descriptor::fresh).collect();
                    node.handle_response(exchange.id, Response { descriptors }, Time::new(now))
                        .expect("in flight");
                }
            }
            started.push(count);
        }
        assert!(started[1] > 4, "more than the retries: {started:?}");
        assert_eq!(started[39], 1, "{started:?}");
    }

    #[test]
    fn settings_are_checked() {
        let check = |overlay: Basalt| Overlay::<u32>::check(&overlay, V);
        assert_eq!(check(Basalt::new(1)), Ok(()));
        assert_eq!(check(Basalt::for_view_size(V)), Ok(()));
        for length in [0, V + 1] {
            let error = check(Basalt::new(length)).expect_err("out of bounds");
            assert!(error.to_string().starts_with("shuffle length"), "{error}");
        }
        for (slots, rounds) in [(0, 1), (1, 0), (V + 1, 1)] {
            let overlay = Basalt::new(1).with_renewal(slots, rounds);
            let error = check(overlay).expect_err("out of bounds");
            assert!(error.to_string().starts_with("renewing"), "{error}");
        }
    }
}
