//! Cyclon: the enhanced shuffle, which swaps links instead of copying them.

use rand::Rng;

use crate::{
    peer::Peer,
    sampling::{
        mode::selection::Selection,
        overlay::{
            Overlay, OverlayError,
            exchange::{Merge, Outgoing, Side},
        },
        view::View,
    },
};

/// Views are shuffled by swapping links (Voulgaris, Gavidia, van Steen, *Cyclon: Inexpensive
/// Membership Management for Unstructured P2P Overlays*, JNSM 13(2), 2005).
///
/// A node does not keep what it sends away, and its link to the partner turns round. So full views
/// neither make links nor lose any, and in-degrees stay far narrower than in a random graph. Every
/// node gives out one fresh link to itself per round and uses up its oldest. So a link lives for
/// about c rounds, and the dead are remembered for as long.
///
/// Measured, N=10^5, c=20, l=8: in-degree SD 1.36 (the paper's histogram has 1.19, a random graph
/// 4.47), clustering 3.9e-4, converged from a star by round 32. After half of the nodes crash, 17 %
/// dead links by round 20, 1 % by round 30 and none by round 40.
///
/// The paper's protocol is this overlay with
/// [`PartnerSelection::Tail`](crate::sampling::sampler::config::PartnerSelection::Tail),
/// [`Propagation::PushPull`](crate::sampling::sampler::config::Propagation::PushPull), fanout 1 and
/// no retries; a partner that cannot be reached leaves the view in any case. Do not rely on it with
/// push or pull alone, for then nothing is swapped. The partner's link goes without turning round,
/// and with pull nobody gives out a link to itself. Measured, N=2000, c=20, from random views:
/// after 60 rounds of push clustering is 2.6 times that of a random graph. After 60 of pull the
/// in-degree SD is twice that of a random graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cyclon {
    shuffle_length: usize,
}

impl Cyclon {
    /// The enhanced shuffle with the paper's l: how many descriptors go each way, this node's own
    /// included. The paper's experiments have 8, in views of 20.
    ///
    /// The bound 1 ≤ l ≤ c is checked when the overlay meets its view size, in
    /// [`Sampler::new`](crate::sampling::sampler::Sampler::new).
    pub const fn new(shuffle_length: usize) -> Self {
        Self { shuffle_length }
    }
}

/// Says that a shuffle length is out of its bounds.
pub(super) fn shuffle_length(given: usize, view_size: usize) -> OverlayError {
    OverlayError::new(format!(
        "shuffle length {given} must be 1 to the view size {view_size}"
    ))
}

impl<P: Peer> Overlay<P> for Cyclon {
    type Mode = Selection;

    fn check(&self, view_size: usize) -> Result<(), OverlayError> {
        if (1..=view_size).contains(&self.shuffle_length) {
            return Ok(());
        }
        Err(shuffle_length(self.shuffle_length, view_size))
    }

    /// Paper, active: "1. Increase by one the age of all neighbors. 2. Select neighbor Q with the
    /// highest age among all neighbors, and l−1 other random neighbors. 3. Replace Q's entry with
    /// a new entry of age 0 and with P's address. 4. Send the updated subset to peer Q." Passive:
    /// "the receiving node Q replies by sending back a random subset of at most l of its neighbors
    /// [...]. It does not increase, though, any entry's age until its own turn comes to initiate a
    /// shuffle."
    ///
    /// Q's entry leaves the view when the answer comes ([`merge`](Self::merge)), not before. An
    /// exchange that this node itself refused, or that broke once, is no reason to lose a link.
    fn compose<R: Rng + ?Sized>(
        &mut self,
        view: &mut View<P>,
        outgoing: &mut Outgoing<'_, P>,
        rng: &mut R,
    ) {
        let (mut partner, entries) = match outgoing.side {
            Side::Active => {
                view.increase_age();
                outgoing.push_local();
                let partner = view.remove(outgoing.partner).into_iter().collect();
                (partner, self.shuffle_length.saturating_sub(1))
            }
            Side::Passive => (Vec::new(), self.shuffle_length),
        };
        view.permute_head(entries, view.len(), rng);
        outgoing.extend(view.head(entries));
        view.append(&mut partner);
    }

    /// Paper: "5. Receive from Q a subset of no more than l of its own entries. 6. Discard entries
    /// pointing at P and entries already contained in P's cache. 7. Update P's cache to include all
    /// remaining entries, by firstly using empty cache slots (if any), and secondly replacing
    /// entries among the ones sent to Q." The passive side does the same.
    fn merge<R: Rng + ?Sized>(&mut self, view: &mut View<P>, merge: Merge<'_, P>, _rng: &mut R) {
        if merge.side == Side::Active {
            // Step 3: the link turns round.
            view.remove(merge.partner);
        }
        merge.received.truncate(self.shuffle_length);
        for descriptor in merge.received.iter_mut() {
            if view.contains(descriptor.peer.id()) {
                // Discarded, but for what its record may know better: the age of the view stays.
                descriptor.age = u32::MAX;
            }
        }
        view.append(merge.received);
        for id in merge.sent {
            if view.len() <= merge.view_size {
                return;
            }
            view.remove(id);
        }
        // More came than left, since other exchanges came in between: the last to come find no
        // room.
        while view.len() > merge.view_size {
            match view.as_slice().last().map(|d| d.peer.id().clone()) {
                Some(last) => view.remove(&last),
                None => return,
            };
        }
    }
}

#[cfg(test)]
mod tests {

    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;
    use crate::time::Time;
    use crate::{
        gossip::Failure,
        sampling::{
            sampler::{
                Sampler,
                config::{Config, ConfigError},
                message::{Request, Response},
            },
            view::Descriptor,
        },
    };

    type Node = Sampler<u32, Cyclon, StdRng>;

    const C: usize = 10;
    const L: usize = 4;

    /// A node that knows `peers`.
    fn node(id: u32, peers: impl IntoIterator<Item = u32>) -> Node {
        let config = Config::default().with_view_size(C).with_retries(0);
        let rng = StdRng::seed_from_u64(u64::from(id));
        let mut node = Sampler::new(id, config, Cyclon::new(L), rng).expect("valid settings");
        node.set_local(Some(id));
        node.init(peers);
        node
    }

    fn fresh(peers: impl IntoIterator<Item = u32>) -> Vec<Descriptor<u32>> {
        peers.into_iter().map(Descriptor::fresh).collect()
    }

    fn peers<'a>(descriptors: impl IntoIterator<Item = &'a Descriptor<u32>>) -> Vec<u32> {
        descriptors.into_iter().map(|d| d.peer).collect()
    }

    fn request(peers: impl IntoIterator<Item = u32>) -> Request<u32> {
        Request {
            descriptors: fresh(peers),
            pull: true,
            room: usize::MAX,
        }
    }

    #[test]
    fn the_link_to_the_partner_turns_round_and_what_is_sent_is_swapped() {
        let (mut p, mut q) = (node(0, 1..=10), node(1, 11..=20));
        let exchange = p.poll_round(Time::ZERO).expect("due");
        assert_eq!(exchange.partner, 1, "the oldest, the first among equals");
        let sent = peers(&exchange.request.descriptors);
        assert_eq!((sent.len(), sent[0]), (L, 0), "{sent:?}");
        assert!(!sent.contains(&1), "{sent:?}");
        assert!(p.view().contains(&1), "until the answer comes");

        let response = q.handle_request(&0, exchange.request, Time::ZERO);
        let answer = peers(&response.descriptors);
        assert_eq!(answer.len(), L);
        assert!(!answer.contains(&1), "never itself: {answer:?}");
        p.handle_response(exchange.id, response, Time::ZERO)
            .expect("in flight");

        assert!(q.view().contains(&0) && !p.view().contains(&1));
        assert!(sent.iter().all(|id| q.view().contains(id)));
        assert!(answer.iter().all(|id| p.view().contains(id)));
        // Nobody is known twice, nobody is lost.
        let mut all = [peers(p.view()), peers(q.view())].concat();
        all.sort_unstable();
        let kept: Vec<u32> = (0..=20).filter(|&id| id != 1).collect();
        assert_eq!(all, kept);
    }

    #[test]
    fn the_partner_is_not_sent_to_itself_even_from_a_view_that_is_nearly_empty() {
        let mut p = node(0, [1, 2]);
        let exchange = p.poll_round(Time::ZERO).expect("due");
        assert_eq!(exchange.partner, 1);
        assert_eq!(peers(&exchange.request.descriptors), [0, 2]);
    }

    #[test]
    fn empty_slots_are_filled_first_then_those_of_what_was_sent() {
        let mut q = node(1, 11..=18);
        let response = q.handle_request(&0, request([0, 2, 3]), Time::ZERO);
        let sent = peers(&response.descriptors);
        assert_eq!(q.view().len(), C);
        assert!([0, 2, 3].iter().all(|&new| q.view().contains(&new)));
        // Two slots were empty: one of those sent had to go, the first.
        let gone: Vec<u32> = (11..=18).filter(|id| !q.view().contains(id)).collect();
        assert_eq!(gone, sent[..1]);
    }

    #[test]
    fn what_is_known_already_takes_no_slot() {
        let mut q = node(1, 11..=20);
        // A round that came to nothing makes everybody older.
        let exchange = q.poll_round(Time::ZERO).expect("due");
        q.handle_failure(exchange.id, Failure::Refused, Time::ZERO)
            .expect("in flight");
        let response = q.handle_request(&0, request([0, 12, 13, 14]), Time::ZERO);
        let sent = peers(&response.descriptors);
        let gone: Vec<u32> = (11..=20).filter(|id| !q.view().contains(id)).collect();
        assert_eq!(gone, sent[..1]);
        let ages = q.view().iter().filter(|d| d.peer != 0).map(|d| d.age);
        assert!(ages.clone().all(|age| age == 1), "discarded: {ages:?}");
    }

    #[test]
    fn only_the_active_end_ages() {
        let (mut p, mut q) = (node(0, 1..=10), node(1, 11..=20));
        let exchange = p.poll_round(Time::ZERO).expect("due");
        let ages: Vec<u32> = exchange.request.descriptors.iter().map(|d| d.age).collect();
        assert_eq!(ages, [0, 1, 1, 1]);
        let response = q.handle_request(&0, exchange.request, Time::ZERO);
        assert_eq!(q.view().get(&0).map(|d| d.age), Some(0));
        assert!(
            response.descriptors.iter().all(|d| d.age == 0),
            "{response:?}"
        );
        p.handle_response(exchange.id, response, Time::ZERO)
            .expect("in flight");
        for descriptor in p.view() {
            let received = descriptor.peer > 10;
            assert_eq!(descriptor.age, u32::from(!received), "{descriptor:?}");
        }
    }

    #[test]
    fn a_partner_is_lost_for_being_dead_and_not_for_our_own_refusal() {
        for (failure, stays) in [(Failure::Unreachable, false), (Failure::Refused, true)] {
            let mut p = node(0, 1..=10);
            let exchange = p.poll_round(Time::ZERO).expect("due");
            let failed = p
                .handle_failure(exchange.id, failure, Time::ZERO)
                .expect("in flight");
            assert_eq!(failed.removed, !stays);
            assert_eq!(p.view().contains(&1), stays, "{failure:?}");
            assert_eq!(p.view().len(), C - 1 + usize::from(stays));
        }
    }

    #[test]
    fn a_hostile_partner_gets_l_places_and_no_more() {
        let flood = || [fresh(100..150), fresh([7, 7, 0, 100])].concat();
        let mut p = node(0, 1..=10);
        let exchange = p.poll_round(Time::ZERO).expect("due");
        let response = Response {
            descriptors: flood(),
        };
        p.handle_response(exchange.id, response, Time::ZERO)
            .expect("in flight");
        assert_eq!(p.view().iter().filter(|d| d.peer >= 100).count(), L);
        assert_eq!(p.view().len(), C);

        let mut q = node(0, 1..=10);
        let mut request = request([]);
        request.descriptors = flood();
        q.handle_request(&99, request, Time::ZERO);
        assert_eq!(q.view().iter().filter(|d| d.peer >= 100).count(), L);
        assert_eq!(q.view().len(), C);

        // Where there is room, too.
        let mut q = node(0, 1..=2);
        let mut request = self::request([]);
        request.descriptors = flood();
        q.handle_request(&99, request, Time::ZERO);
        assert_eq!(q.view().len(), 2 + L);

        // The same peer again and again, the partner itself, and this node.
        let mut q = node(1, 11..=20);
        let mut request = self::request([]);
        request.descriptors = fresh([99, 99, 1, 1, 1, 99]);
        q.handle_request(&99, request, Time::ZERO);
        assert_eq!(q.view().iter().filter(|d| d.peer == 99).count(), 1);
        assert!(!q.view().contains(&1));
        assert_eq!(q.view().len(), C);
    }

    /// Inbound exchanges come between an own request and its answer, as often as can be.
    #[test]
    fn crossing_exchanges_neither_overfill_nor_empty_a_view() {
        let mut rng = StdRng::seed_from_u64(5);
        for seed in 0..200 {
            let mut p = node(seed, 1_000..1_010);
            let exchange = p.poll_round(Time::ZERO).expect("due");
            for _ in 0..rng.random_range(0..6) {
                let from = rng.random_range(2_000..2_020);
                let others = (0..3).map(|_| rng.random_range(2_000..2_020));
                let others: Vec<u32> = others.collect();
                p.handle_request(&from, request([&[from], &others[..]].concat()), Time::ZERO);
            }
            let response = Response {
                descriptors: fresh(3_000..3_004),
            };
            p.handle_response(exchange.id, response, Time::ZERO)
                .expect("in flight");
            let mut ids = peers(p.view());
            ids.sort_unstable();
            ids.dedup();
            assert_eq!((ids.len(), p.view().len()), (C, C), "seed {seed}");
        }
    }

    #[test]
    fn the_shuffle_length_is_bounded_by_the_view() {
        let check = |length, c| Overlay::<u32>::check(&Cyclon::new(length), c);
        assert_eq!(check(1, 20), Ok(()));
        assert_eq!(check(20, 20), Ok(()));
        assert_eq!(
            check(21, 20).unwrap_err().to_string(),
            "shuffle length 21 must be 1 to the view size 20"
        );
        let config = Config::default();
        let rng = StdRng::seed_from_u64(0);
        let error = Sampler::<u32, _, _>::new(0, config, Cyclon::new(0), rng).err();
        let expected = "shuffle length 0 must be 1 to the view size 30";
        let expected = ConfigError::Overlay(OverlayError::new(expected));
        assert_eq!(error, Some(expected));
    }
}
