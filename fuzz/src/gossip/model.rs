//! A node as the documents describe it, as slow as it may be. It draws no random numbers: where
//! the node may choose, it takes over the choice, when it is one of those that are allowed.

mod admission;
mod clock;
mod in_flight;
mod merge;
mod sent;

use std::collections::{BTreeSet, VecDeque};

use libp2p_peer_sampling::{
    Selection,
    gossip::{Exchange, ExchangeId, Failure},
    sampler::{PartnerSelection, Request, Response},
    time::Time,
    view::Descriptor,
};

use super::{
    super::host::Host,
    OURSELVES,
    settings::{Kind, Settings},
};

use self::{
    admission::Admission,
    clock::Clock,
    in_flight::{InFlight, Started},
};

type Entry = Descriptor<Host>;
/// The view before and after.
type Views<'a> = (&'a [Entry], &'a [Entry]);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Active,
    Passive,
}

pub struct Model {
    settings: Settings,
    pub local: Option<Host>,
    /// As it was seen last.
    view: Vec<Entry>,
    pub in_flight: InFlight,
    suspects: BTreeSet<u8>,
    /// Who was refused longest ago comes first.
    refused: Vec<u8>,
    pub handed_out: BTreeSet<u8>,
    admission: Admission,
    /// Who may be among the overlay's samples: all that were told of and are not known to be gone.
    told: BTreeSet<u8>,
    /// Who of the view has answered.
    answered: BTreeSet<u8>,
    /// What became of the latest exchanges: whether they failed.
    outcomes: VecDeque<bool>,

    pub clock: Clock,
}

impl Model {
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            local: None,
            view: Vec::new(),
            in_flight: InFlight::default(),
            suspects: BTreeSet::new(),
            refused: Vec::new(),
            handed_out: BTreeSet::new(),
            admission: Admission::default(),
            told: BTreeSet::new(),
            answered: BTreeSet::new(),
            outcomes: VecDeque::new(),
            clock: Clock::default(),
        }
    }

    /// What always holds of a view. Whatever changes one has told the model what to expect.
    pub fn check(&self, view: &[Entry]) {
        assert_eq!(view, self.view);
        assert!(view.len() <= self.settings.view_size);
        self.in_flight.check();
        let ids: BTreeSet<u8> = view.iter().map(|d| d.peer.id).collect();
        assert_eq!(ids.len(), view.len(), "somebody twice: {view:?}");
        assert!(!ids.contains(&OURSELVES), "ourselves: {view:?}");
    }

    pub fn next_wake(&self) -> Option<Time> {
        let round = (!self.view.is_empty()).then_some(self.clock.next_round);
        self.in_flight.deadlines().chain(round).min()
    }

    pub fn may_start_with(&self, partner: u8) -> bool {
        !self.in_flight.is_full() && !self.in_flight.is_with(partner)
    }

    fn knows(&self, id: u8) -> bool {
        self.view.iter().any(|d| d.peer.id == id)
    }

    // Rounds.

    /// A round was asked for, and began an exchange with `partner`, or none. Returns the view as it
    /// was before that exchange.
    pub fn round(
        &mut self,
        partner: Option<u8>,
        (before, view): Views<'_>,
        now: Time,
    ) -> Vec<Entry> {
        let mut before = before.to_vec();
        if before.is_empty() {
            assert_eq!(partner, None);
            return before;
        }
        if self.clock.begin_if_due(now, &self.settings) {
            self.admission.begin_round();
            if matches!(self.settings.kind, Kind::Basalt { .. }) {
                // Peers age, and those whose slots were renewed may go; but never all.
                before.retain(|d| view.iter().any(|left| left.peer.id == d.peer.id));
                assert!(!before.is_empty());
                for descriptor in &mut before {
                    descriptor.age = descriptor.age.saturating_add(1);
                }
                self.view.clone_from(&before);
                self.forget_the_gone();
                // More exchanges, the more of the latest have failed.
                self.clock.turns += self.healing(self.settings.view_size / 8);
            }
        }
        if self.in_flight.is_full() || self.clock.turns == 0 {
            assert_eq!(partner, None, "no turn left");
            return before;
        }
        self.clock.turns -= 1;
        let allowed = self.partners(&before);
        match partner {
            Some(partner) => {
                assert!(allowed.contains(&partner), "{partner}, not {allowed:?}");
                self.clock.tried.insert(partner);
            }
            None => assert!(allowed.is_empty(), "nobody, not {allowed:?}"),
        }
        before
    }

    /// How much of `most` Basalt does, by how many of the latest exchanges have failed.
    fn healing(&self, most: usize) -> usize {
        let failures = self
            .outcomes
            .iter()
            .filter(|failed| **failed)
            .count()
            .min(8);
        most * failures * failures / 64
    }

    /// The peers that the next exchange may be made with.
    fn partners(&self, view: &[Entry]) -> Vec<u8> {
        let free: Vec<&Entry> = view
            .iter()
            .filter(|d| {
                !self.clock.tried.contains(&d.peer.id) && !self.in_flight.is_with(d.peer.id)
            })
            .collect();
        let welcome: Vec<&Entry> = free
            .iter()
            .copied()
            .filter(|d| !self.refused.contains(&d.peer.id))
            .collect();
        let eligible = if welcome.is_empty() { free } else { welcome };
        let ages = eligible.iter().map(|d| d.age);
        let selection = match self.settings.kind {
            // Its own choice.
            Kind::Basalt { .. } => PartnerSelection::Rand,
            _ => self.settings.selection,
        };
        let age = match selection {
            PartnerSelection::Rand => return eligible.iter().map(|d| d.peer.id).collect(),
            PartnerSelection::Head => ages.min(),
            PartnerSelection::Tail => ages.max(),
        };
        let first = eligible.iter().find(|d| Some(d.age) == age);
        first.map(|d| d.peer.id).into_iter().collect()
    }

    // Exchanges.

    /// An exchange was started: by a round, or by hand.
    pub fn started(
        &mut self,
        exchange: &Exchange<u8, Request<Host>>,
        round: Option<u64>,
        (before, view): Views<'_>,
        now: Time,
    ) {
        assert!(self.may_start_with(exchange.partner));
        assert_ne!(exchange.partner, OURSELVES);
        self.in_flight.push(Started {
            id: exchange.id,
            partner: exchange.partner,
            round,
            deadline: now.saturating_add(self.settings.exchange_timeout),
        });
        let request = &exchange.request;
        assert_eq!(request.pull, self.settings.pulls());
        if self.settings.pushes() {
            let to = (exchange.partner, Side::Active);
            let node = (self.local, &self.settings);
            sent::assert_sent(node, &request.descriptors, to, (before, view));
        } else {
            assert!(request.descriptors.is_empty());
            assert_eq!(view, before);
        }
        self.view = view.to_vec();
    }

    pub fn answered(
        &mut self,
        started: &Started,
        response: &Response<Host>,
        views: Views<'_>,
        now: Time,
    ) {
        let partner = started.partner;
        self.suspects.remove(&partner);
        self.refused.retain(|id| *id != partner);
        self.admission.answered(partner);
        self.ended(false);
        let received = match self.settings.pulls() {
            true => response.descriptors.as_slice(),
            false => &[],
        };
        self.merged(received, partner, Side::Active, views, now);
        if self.knows(partner) {
            self.answered.insert(partner);
        }
        let (before, view) = views;
        let room = match self.settings.kind {
            Kind::Basalt { .. } => {
                let unsettled = self.clock.rounds < 30 || self.healing(self.settings.view_size) > 0;
                unsettled && view.len() < self.settings.view_size / 2
            }
            _ => view.len() < self.settings.view_size,
        };
        self.clock
            .hurry_to_fill(room, view.len() != before.len(), now);
    }

    pub fn failed(&mut self, started: Started, failure: Failure, now: Time, removed: bool) {
        let partner = started.partner;
        self.clock.make_up_for(started.round);
        if failure != Failure::Refused {
            self.ended(true);
        }
        let known = self.knows(partner);
        let dead = match failure {
            Failure::Unreachable | Failure::Unsupported => true,
            Failure::Broken => self.suspects.contains(&partner),
            Failure::Refused => false,
        };
        assert_eq!(removed, dead && known, "{failure:?}");
        if dead {
            let entry = self.view.iter().find(|d| d.peer.id == partner);
            let version = entry.map(|d| d.peer.version);
            self.admission.failed(partner, version, now, &self.settings);
            self.forget(partner);
        } else if known && failure == Failure::Broken {
            self.suspects.insert(partner);
        } else if known {
            self.refuse(partner);
        }
        if self.view.is_empty() {
            self.admission.forgive();
        }
    }

    fn refuse(&mut self, partner: u8) {
        if !self.refused.contains(&partner) {
            self.refused.push(partner);
        }
    }

    pub fn reconsidered(&mut self) {
        if !self.refused.is_empty() {
            self.refused.remove(0);
        }
    }

    /// Whether exchange `id` may be made with `partner` instead.
    pub fn may_be_with(&self, id: ExchangeId, partner: u8) -> bool {
        let is_free = partner != OURSELVES && !self.in_flight.is_with(partner);
        is_free && self.in_flight.is_of_a_round(id)
    }

    /// The exchange was refused, and another takes its place. Returns the round.
    pub fn replaced(&mut self, refused: &Started, by: u8) -> Option<u64> {
        if self.knows(refused.partner) {
            self.refuse(refused.partner);
        }
        if refused.round == Some(self.clock.rounds) {
            self.clock.tried.insert(by);
        }
        refused.round
    }

    /// An exchange has come to its end, or to nothing.
    fn ended(&mut self, failed: bool) {
        self.outcomes.push_back(failed);
        if self.outcomes.len() > 32 {
            self.outcomes.pop_front();
        }
    }

    /// Others are told only of those who have answered.
    pub fn removed_by_hand(&mut self, id: u8, removed: Option<Host>) {
        let known = self.view.iter().find(|d| d.peer.id == id);
        assert_eq!(removed, known.map(|d| d.peer));
        self.forget(id);
        if removed.is_some() && self.view.is_empty() {
            self.admission.forgive();
        }
    }

    fn forget(&mut self, id: u8) {
        self.told.remove(&id);
        self.view.retain(|d| d.peer.id != id);
        self.forget_the_gone();
    }

    fn forget_the_gone(&mut self) {
        let view: BTreeSet<u8> = self.view.iter().map(|d| d.peer.id).collect();
        self.suspects.retain(|id| view.contains(id));
        self.refused.retain(|id| view.contains(id));
        self.handed_out.retain(|id| view.contains(id));
        self.answered.retain(|id| view.contains(id));
        self.admission.retain(&view);
    }

    pub fn requested(
        &mut self,
        (from, request): (u8, &Request<Host>),
        response: &Response<Host>,
        (before, view): Views<'_>,
        now: Time,
    ) {
        self.suspects.remove(&from);
        self.refused.retain(|id| *id != from);
        self.admission.called(from, now, &self.settings);
        let answered = |ids: &[u8]| ids.iter().all(|id| self.answered.contains(id));
        sent::assert_answer(
            (self.local, &self.settings),
            (from, request),
            response,
            before,
            answered,
        );
        self.merged(
            &request.descriptors,
            from,
            Side::Passive,
            (before, view),
            now,
        );
    }

    /// A buffer was received and merged.
    fn merged(
        &mut self,
        received: &[Entry],
        partner: u8,
        side: Side,
        (before, view): Views<'_>,
        now: Time,
    ) {
        let from = (partner, side);
        let mut admitted = self
            .admission
            .admitted(received, from, before, (now, &self.settings));
        if let Kind::Basalt { shuffle_length, .. } = self.settings.kind {
            admitted.truncate(shuffle_length);
        }
        self.told.extend(admitted.iter().map(|d| d.peer.id));
        let (union, ageing) = merge::union(self.settings.kind, before, &admitted, from);
        for descriptor in view {
            let mut expected = union.get(&descriptor.peer.id).copied();
            if let Some(expected) = &mut expected {
                expected.age = expected.age.saturating_add(ageing);
            }
            assert_eq!(Some(*descriptor), expected);
        }
        let c = self.settings.view_size;
        match self.settings.kind {
            // Any of them may hold all the slots.
            Kind::Basalt { .. } => assert_eq!(view.is_empty(), union.is_empty()),
            _ => assert_eq!(view.len(), union.len().min(c), "nobody is dropped in vain"),
        }
        let was_known = |id: u8| before.iter().any(|d| d.peer.id == id);
        for descriptor in view {
            let id = descriptor.peer.id;
            if was_known(id) {
                continue;
            }
            self.admission.entered(id, partner, side);
        }
        self.view = view.to_vec();
        self.forget_the_gone();
        self.admission.assert_diverse(&self.view, &self.settings);
    }

    pub fn init(&mut self, hosts: &[Host], view: &[Entry]) -> usize {
        let before = self.view.len();
        for host in hosts {
            if self.view.len() >= self.settings.view_size {
                break;
            }
            if host.id == OURSELVES {
                continue;
            }
            match self.view.iter_mut().find(|d| d.peer.id == host.id) {
                Some(known) => {
                    known.peer.version = known.peer.version.max(host.version);
                    known.age = 0;
                }
                None => self.view.push(Descriptor::fresh(*host)),
            }
            self.told.insert(host.id);
        }
        if let Kind::Basalt { .. } = self.settings.kind {
            assert_eq!(view.is_empty(), self.view.is_empty());
            self.view.retain(|d| view.contains(d));
            self.forget_the_gone();
        }
        self.view.len().saturating_sub(before)
    }

    /// Somebody was handed out, or nobody.
    pub fn handed_out(&mut self, selection: Selection, peer: Option<Host>) {
        let Some(peer) = peer else {
            assert!(self.view.is_empty());
            return;
        };
        if matches!(
            (self.settings.kind, selection),
            (Kind::Basalt { .. }, Selection::Uniform)
        ) {
            assert!(self.told.contains(&peer.id), "{peer:?}");
            return;
        }
        let ages = self.view.iter().map(|d| d.age);
        let expected = match selection {
            Selection::Head => ages.min(),
            Selection::Tail => ages.max(),
            Selection::Uniform => None,
        };
        let held = self.view.iter().find(|d| match expected {
            Some(age) => d.age == age,
            None => d.peer.id == peer.id,
        });
        assert_eq!(held.map(|d| d.peer), Some(peer));
        let all = self
            .view
            .iter()
            .all(|d| self.handed_out.contains(&d.peer.id));
        let new = self.handed_out.insert(peer.id);
        if selection == Selection::Uniform {
            assert!(new || all, "{peer:?} again, before all others");
        }
    }
}

fn sorted(entries: &[Entry]) -> Vec<(Host, u32)> {
    let mut all: Vec<_> = entries.iter().map(|d| (d.peer, d.age)).collect();
    all.sort_unstable();
    all
}
