//! Tests of what an overlay may ask for beside the view: a rank for the receiver, partners outside
//! the view, probes, candidates from elsewhere.

use rand::Rng;

use super::*;
use crate::sampling::{
    mode::selection::Selection,
    overlay::{
        Choice, Outcome, Overlay, OverlayError,
        exchange::{Merge, Outgoing},
    },
    view::View,
};

/// A ring, as T-Man builds it: the view holds those nearest to the node itself, and each partner is
/// sent those nearest to *it*.
#[derive(Debug, Clone, Default)]
struct Ring {
    own: u32,
    choices: Vec<Choice<u32>>,
    outcomes: Vec<(u32, Outcome)>,
    apart: Vec<u32>,
}

impl Ring {
    /// How far apart two of the hundred places of the ring are.
    fn distance(one: u32, other: u32) -> u32 {
        let apart = one.abs_diff(other) % 100;
        apart.min(100 - apart)
    }
}

impl Overlay<u32> for Ring {
    type Mode = Selection;

    fn check(&self, _view_size: usize) -> Result<(), OverlayError> {
        match self.apart.contains(&self.own) {
            true => Err(OverlayError::new("a node cannot be apart from itself")),
            false => Ok(()),
        }
    }

    fn set_id(&mut self, id: &u32) {
        self.own = *id;
    }

    fn compose<R: Rng + ?Sized>(
        &mut self,
        view: &mut View<u32>,
        outgoing: &mut Outgoing<'_, u32>,
        _rng: &mut R,
    ) {
        let partner = *outgoing.partner;
        let candidates = outgoing.candidates.iter().copied().map(Descriptor::fresh);
        let mut ranked: Vec<_> = view.iter().cloned().chain(candidates).collect();
        ranked.retain(|d| d.peer != partner && d.peer != self.own);
        ranked.sort_by_key(|d| (Self::distance(partner, d.peer), d.peer));
        ranked.dedup_by_key(|d| d.peer);
        outgoing.push_local();
        ranked.truncate(3);
        outgoing.extend(&ranked);
    }

    fn merge<R: Rng + ?Sized>(
        &mut self,
        view: &mut View<u32>,
        merge: Merge<'_, u32>,
        _rng: &mut R,
    ) {
        let candidates = merge.candidates.iter().copied().map(Descriptor::fresh);
        merge.received.extend(candidates);
        let mut all: Vec<_> = view
            .iter()
            .cloned()
            .chain(merge.received.drain(..))
            .collect();
        all.sort_by_key(|d| (Self::distance(self.own, d.peer), d.peer, d.age));
        all.dedup_by_key(|d| d.peer);
        all.truncate(merge.view_size);
        *view = all.into_iter().collect();
    }

    fn select_partner<R: Rng + ?Sized>(
        &mut self,
        _view: &View<u32>,
        eligible: impl Fn(&u32) -> bool,
        _rng: &mut R,
    ) -> Choice<u32> {
        let at = self.choices.iter().position(|choice| match choice {
            Choice::Exchange(id) | Choice::Probe(id) => eligible(id),
            Choice::Nobody | Choice::ByConfiguration => true,
        });
        at.map_or(Choice::ByConfiguration, |at| self.choices.remove(at))
    }

    fn exchange_ended(&mut self, partner: &u32, outcome: Outcome) {
        self.outcomes.push((*partner, outcome));
    }

    fn knows_nobody(&self, view: &View<u32>) -> bool {
        view.is_empty() && self.apart.is_empty()
    }

    fn hopes_for(&self, _view_size: usize) -> usize {
        7
    }

    fn record(&self, id: &u32) -> Option<&u32> {
        self.apart.iter().find(|apart| *apart == id)
    }
}

fn ring(id: u32, overlay: Ring) -> Sampler<u32, Ring, StdRng> {
    let rng = StdRng::seed_from_u64(1);
    let config = Config::default().with_view_size(4).with_retries(1);
    let mut node = Sampler::new(id, config, overlay, rng).expect("valid settings");
    node.set_local(Some(id));
    node
}

#[test]
fn what_is_sent_is_ranked_for_the_receiver() {
    let mut a = ring(10, Ring::default());
    a.init([8, 12, 40, 60]);
    a.set_candidates(vec![49, 52, 11]);
    let exchange = a.exchange_with(50, Time::ZERO).expect("free");
    let sent: Vec<u32> = exchange
        .request
        .descriptors
        .iter()
        .map(|d| d.peer)
        .collect();
    assert_eq!(sent, [10, 49, 52, 40], "itself, and the nearest to 50");
    let answer = Response {
        descriptors: [9, 51].map(Descriptor::fresh).to_vec(),
    };
    a.handle_response(exchange.id, answer, Time::ZERO)
        .expect("in flight");
    let kept: Vec<u32> = a.view().iter().map(|d| d.peer).collect();
    assert_eq!(
        kept,
        [9, 11, 8, 12],
        "the nearest to itself, 11 from elsewhere"
    );
    assert_eq!(a.hopes_for(), 7);
}

#[test]
fn a_partner_may_lie_outside_the_view_or_be_only_probed() {
    let mut a = ring(
        10,
        Ring {
            choices: vec![
                Choice::Exchange(77),
                Choice::Nobody,
                Choice::Probe(8),
                Choice::ByConfiguration,
            ],
            apart: vec![77],
            ..Ring::default()
        },
    );
    assert!(
        a.next_wake().is_some(),
        "it knows somebody beside its empty view"
    );
    assert_eq!((a.peer(&77), a.peer(&76)), (Some(&77), None));

    let outside = a.poll_round(Time::ZERO).expect("due");
    assert_eq!(outside.partner, 77);
    a.init([8, 12]);
    assert_eq!(a.poll_round(Time::new(ROUND)), None, "nobody now");

    let probe = a.poll_round(Time::new(2 * ROUND)).expect("due");
    assert_eq!(probe.partner, 8);
    assert!(probe.request.descriptors.is_empty() && !probe.request.pull);
    let before = a.view().clone();
    let unasked = Response {
        descriptors: vec![Descriptor::fresh(11)],
    };
    a.handle_response(probe.id, unasked, Time::new(2 * ROUND))
        .expect("in flight");
    assert_eq!(*a.view(), before, "a probe asks for nothing");

    let by_configuration = a.poll_round(Time::new(3 * ROUND)).expect("due");
    assert!(a.view().contains(&by_configuration.partner));
}

#[test]
fn an_overlay_is_told_how_each_exchange_has_ended() {
    let mut a = ring(10, Ring::default());
    a.init([8]);
    let mut end = |partner, failure: Option<Failure>| {
        let exchange = a.exchange_with(partner, Time::ZERO).expect("free");
        match failure {
            Some(failure) => a.handle_outcome(exchange.id, Err(failure), Time::ZERO),
            None => a.handle_outcome(exchange.id, Ok(empty()), Time::ZERO),
        }
    };
    end(99, None);
    end(99, Some(Failure::Refused));
    end(8, Some(Failure::Broken));
    end(8, Some(Failure::Broken));
    end(98, Some(Failure::Unreachable));
    let expected = [
        (99, Outcome::Answered),
        (99, Outcome::Refused),
        (8, Outcome::Broken),
        (8, Outcome::Dead),
        (98, Outcome::Dead),
    ];
    assert_eq!(a.overlay().outcomes, expected);
}

#[test]
fn an_overlay_cannot_make_an_exchange_with_the_node_itself() {
    let choices = vec![Choice::Exchange(10), Choice::Exchange(8)];
    let mut a = ring(
        10,
        Ring {
            choices,
            ..Ring::default()
        },
    );
    a.init([8, 12]);
    assert_eq!(a.poll_round(Time::ZERO), None, "not with itself");
    let exchange = a.poll_round(Time::new(ROUND)).expect("due");
    assert_eq!((exchange.partner, a.in_flight()), (8, 1));
}
