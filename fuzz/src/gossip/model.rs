//! A node as the documents describe it, as slow as it may be. It draws no random numbers: where
//! the node may choose, it takes over the choice, when it is one of those that are allowed.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use libp2p_peer_sampling::time::Time;
use libp2p_peer_sampling::{
    Selection,
    gossip::{Exchange, ExchangeId, Failure},
    peer::Peer,
    sampler::{PartnerSelection, Request, Response},
    view::Descriptor,
};

use super::{
    super::host::Host,
    OURSELVES,
    settings::{EAGER_DELAY, Kind, PERIOD, Settings},
};

type Entry = Descriptor<Host>;
/// The view before and after.
type Views<'a> = (&'a [Entry], &'a [Entry]);

/// The most exchanges under way.
const MOST_IN_FLIGHT: usize = 64;

/// An exchange under way.
#[derive(Debug, Clone, Copy)]
pub struct Started {
    id: ExchangeId,
    pub partner: u8,
    round: Option<u64>,
    deadline: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Active,
    Passive,
}

/// A peer that failed.
#[derive(Debug)]
struct Failed {
    times: u32,
    /// The version that the view had when it failed.
    version: Option<u8>,
    /// How often it had moved when it failed again.
    moves: u32,
    since: Time,
    until: Time,
}

pub struct Model {
    settings: Settings,
    pub local: Option<Host>,
    /// As it was seen last.
    view: Vec<Entry>,
    in_flight: Vec<Started>,
    suspects: BTreeSet<u8>,
    /// Who was refused longest ago comes first.
    refused: Vec<u8>,
    pub handed_out: BTreeSet<u8>,
    failed: BTreeMap<u8, Failed>,
    /// Of whom each peer of the view was learnt.
    sources: BTreeMap<u8, u8>,
    /// Who came in by way of requests in this round.
    entered: usize,
    /// Who may be among the overlay's samples: whoever was told of and is not known to be gone.
    told: BTreeSet<u8>,
    /// Who of the view has answered.
    answered: BTreeSet<u8>,
    /// What became of the latest exchanges: whether they failed.
    outcomes: VecDeque<bool>,

    pub rounds: u64,
    next_round: Time,
    round_started: Option<Time>,
    turns: usize,
    retries: usize,
    tried: BTreeSet<u8>,
    fruitless: u32,
    hastes: u32,
}

impl Model {
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            local: None,
            view: Vec::new(),
            in_flight: Vec::new(),
            suspects: BTreeSet::new(),
            refused: Vec::new(),
            handed_out: BTreeSet::new(),
            failed: BTreeMap::new(),
            sources: BTreeMap::new(),
            entered: 0,
            told: BTreeSet::new(),
            answered: BTreeSet::new(),
            outcomes: VecDeque::new(),
            rounds: 0,
            next_round: Time::ZERO,
            round_started: None,
            turns: 0,
            retries: 0,
            tried: BTreeSet::new(),
            fruitless: 0,
            hastes: 0,
        }
    }

    /// What always holds of a view. Whatever changes one has told the model what to expect.
    pub fn check(&self, view: &[Entry]) {
        assert_eq!(view, self.view);
        assert!(view.len() <= self.settings.view_size);
        assert!(self.in_flight.len() <= MOST_IN_FLIGHT);
        let ids: BTreeSet<u8> = view.iter().map(|d| d.peer.id).collect();
        assert_eq!(ids.len(), view.len(), "somebody twice: {view:?}");
        assert!(!ids.contains(&OURSELVES), "ourselves: {view:?}");
    }

    pub fn next_wake(&self) -> Option<Time> {
        let round = (!self.view.is_empty()).then_some(self.next_round);
        let deadlines = self.in_flight.iter().map(|started| started.deadline);
        deadlines.chain(round).min()
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    pub fn nth(&self, at: usize) -> ExchangeId {
        self.in_flight[at].id
    }

    pub fn may_start_with(&self, partner: u8) -> bool {
        self.in_flight.len() < MOST_IN_FLIGHT && !self.is_under_way_with(partner)
    }

    fn is_under_way_with(&self, partner: u8) -> bool {
        self.in_flight
            .iter()
            .any(|started| started.partner == partner)
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
        if now >= self.next_round {
            let unhurried = |started: Time| now >= started + PERIOD;
            if self.round_started.is_none_or(unhurried) {
                self.hastes = 0;
            }
            self.round_started = Some(now);
            self.rounds += 1;
            self.next_round = now.saturating_add(PERIOD);
            self.turns = self.settings.fanout;
            self.retries = self.settings.retries;
            self.tried.clear();
            self.entered = 0;
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
                self.turns += self.healing(self.settings.view_size / 8);
            }
        }
        if self.in_flight.len() == MOST_IN_FLIGHT || self.turns == 0 {
            assert_eq!(partner, None, "no turn left");
            return before;
        }
        self.turns -= 1;
        let allowed = self.partners(&before);
        match partner {
            Some(partner) => {
                assert!(allowed.contains(&partner), "{partner}, not {allowed:?}");
                self.tried.insert(partner);
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

    /// With whom the next exchange may be.
    fn partners(&self, view: &[Entry]) -> Vec<u8> {
        let free: Vec<&Entry> = view
            .iter()
            .filter(|d| !self.tried.contains(&d.peer.id) && !self.is_under_way_with(d.peer.id))
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

    pub fn hastened(&mut self, now: Time) {
        self.next_round_within(now, self.hastes);
        self.hastes = self.hastes.saturating_add(1);
    }

    fn next_round_within(&mut self, now: Time, doublings: u32) {
        let pause = EAGER_DELAY * 2u32.pow(doublings.min(20));
        self.next_round = self.next_round.min(now.saturating_add(pause));
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
            self.sent(
                &request.descriptors,
                exchange.partner,
                Side::Active,
                (before, view),
            );
        } else {
            assert!(request.descriptors.is_empty());
            assert_eq!(view, before);
        }
        self.view = view.to_vec();
    }

    /// What was sent is the local descriptor and then the head of the view, which holds who it held.
    fn sent(&self, sent: &[Entry], partner: u8, side: Side, (before, view): Views<'_>) {
        let c = self.settings.view_size;
        let mut expected = before.to_vec();
        let (local, most) = match (self.settings.kind, side) {
            (Kind::Fixed { .. } | Kind::Adaptive, _) => (true, (c / 2).saturating_sub(1)),
            (Kind::Cyclon { shuffle_length }, Side::Active) => {
                for descriptor in &mut expected {
                    descriptor.age = descriptor.age.saturating_add(1);
                }
                // Never the partner itself.
                assert!(sent.iter().all(|d| d.peer.id != partner));
                (true, shuffle_length - 1)
            }
            (Kind::Cyclon { shuffle_length }, Side::Passive) => (false, shuffle_length),
            (Kind::Basalt { shuffle_length, .. }, _) => {
                assert!(sent.iter().all(|d| d.peer.id != partner));
                (true, shuffle_length - 1)
            }
        };
        assert_eq!(sorted(&expected), sorted(view), "only the order changes");
        let local = self.local.filter(|_| local).map(Descriptor::fresh);
        let others = match (sent.split_first(), local) {
            (Some((first, others)), Some(local)) if *first == local => others,
            _ => sent,
        };
        assert!(others.len() <= most);
        assert_eq!(view[..others.len()], *others);
    }

    pub fn finish(&mut self, id: ExchangeId) -> Option<Started> {
        let at = self.in_flight.iter().position(|started| started.id == id)?;
        Some(self.in_flight.remove(at))
    }

    pub fn timed_out(&mut self, id: ExchangeId, now: Time) -> Started {
        let started = self.finish(id).expect("an exchange under way");
        assert!(started.deadline <= now, "too early: {started:?}");
        started
    }

    pub fn none_timed_out(&self, now: Time) {
        let mut deadlines = self.in_flight.iter().map(|started| started.deadline);
        assert!(deadlines.all(|deadline| deadline > now));
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
        self.failed.remove(&partner);
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
                let unsettled = self.rounds < 30 || self.healing(self.settings.view_size) > 0;
                unsettled && view.len() < self.settings.view_size / 2
            }
            _ => view.len() < self.settings.view_size,
        };
        self.fruitless = match room && view.len() == before.len() {
            true => self.fruitless.saturating_add(1),
            false => 0,
        };
        if room {
            self.next_round_within(now, self.fruitless);
        }
    }

    pub fn failed(&mut self, started: Started, failure: Failure, now: Time, removed: bool) {
        let partner = started.partner;
        if started.round.is_some_and(|round| round == self.rounds) && self.retries > 0 {
            self.retries -= 1;
            self.turns += 1;
        }
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
            if let Some((first, longest)) = self.settings.quarantine {
                let before = self.failed.get(&partner);
                let times = before.map_or(1, |failed| failed.times + 1);
                let pause = first.saturating_mul(2u32.pow((times - 1).min(30)));
                let entry = self.view.iter().find(|d| d.peer.id == partner);
                let version = entry.map(|d| d.peer.version);
                let known = before.and_then(|failed| failed.version);
                let moved = version > known && known.is_some();
                let failed = Failed {
                    times,
                    version: version.or(known),
                    moves: before.map_or(0, |failed| failed.moves) + u32::from(moved),
                    since: now,
                    until: now.saturating_add(pause.min(longest)),
                };
                self.failed.insert(partner, failed);
            }
            self.forget(partner);
        } else if known && failure == Failure::Broken {
            self.suspects.insert(partner);
        } else if known {
            self.refuse(partner);
        }
        if self.view.is_empty() {
            self.forgive();
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
        let mut of_rounds = self.in_flight.iter().filter(|e| e.round.is_some());
        let is_free = partner != OURSELVES && !self.is_under_way_with(partner);
        is_free && of_rounds.any(|e| e.id == id)
    }

    /// The exchange was refused, and another takes its place. Returns the round.
    pub fn replaced(&mut self, refused: &Started, by: u8) -> Option<u64> {
        if self.knows(refused.partner) {
            self.refuse(refused.partner);
        }
        if refused.round == Some(self.rounds) {
            self.tried.insert(by);
        }
        refused.round
    }

    /// With nobody left, all may come back, and at once.
    fn forgive(&mut self) {
        self.failed.clear();
        self.entered = 0;
    }

    /// An exchange has come to its end, or to nothing.
    fn ended(&mut self, failed: bool) {
        self.outcomes.push_back(failed);
        if self.outcomes.len() > 32 {
            self.outcomes.pop_front();
        }
    }

    /// Others are told only of those who have answered.
    fn assert_answered(&self, mut ids: impl Iterator<Item = u8>) {
        assert!(ids.all(|id| self.answered.contains(&id)));
    }

    pub fn check_overdue(&self, overdue: Option<ExchangeId>, now: Time) {
        let mut late = self
            .in_flight
            .iter()
            .filter(|started| started.deadline <= now);
        match overdue {
            Some(id) => assert!(late.any(|started| started.id == id)),
            None => assert!(late.next().is_none()),
        }
    }

    pub fn removed_by_hand(&mut self, id: u8, removed: Option<Host>) {
        let known = self.view.iter().find(|d| d.peer.id == id);
        assert_eq!(removed, known.map(|d| d.peer));
        self.forget(id);
        if removed.is_some() && self.view.is_empty() {
            self.forgive();
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
        self.sources.retain(|id, _| view.contains(id));
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
        if let Some((first, _)) = self.settings.quarantine
            && let Some(failed) = self.failed.get_mut(&from)
            && failed.since.saturating_add(first) <= now
        {
            failed.until = now;
        }
        let sent = &response.descriptors;
        if request.pull {
            let bytes: usize = sent.iter().map(|d| d.peer.size()).sum();
            assert!(bytes <= request.room, "{bytes} of {}", request.room);
            // What was sent was the head of the view before the merge: who that was, is all that
            // can be seen now.
            let known = |d: &Entry| {
                let is_local = self.local.map(Descriptor::fresh) == Some(*d);
                is_local || before.contains(d)
            };
            assert!(sent.iter().all(known), "{sent:?}");
            let ids: BTreeSet<u8> = sent.iter().map(|d| d.peer.id).collect();
            assert_eq!(ids.len(), sent.len(), "somebody twice: {sent:?}");
            let most = match self.settings.kind {
                Kind::Fixed { .. } | Kind::Adaptive => (self.settings.view_size / 2).max(1),
                Kind::Cyclon { shuffle_length } => shuffle_length,
                Kind::Basalt {
                    shuffle_length,
                    memory,
                    ..
                } => {
                    let told = |d: &Entry| {
                        let mut known = request.descriptors.iter().map(|d| d.peer.id);
                        d.peer.id == from || known.any(|id| id == d.peer.id)
                    };
                    let others = sent.iter().filter(|d| d.peer.id != OURSELVES);
                    assert!(!others.clone().any(told), "what it knows: {sent:?}");
                    if memory < usize::MAX {
                        let others = others.clone();
                        self.assert_answered(others.map(|d| d.peer.id));
                    }
                    shuffle_length
                }
            };
            assert!(sent.len() <= most);
        } else {
            assert!(sent.is_empty());
        }
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
        let mut admitted = self.admitted(received, partner, side, before, now);
        if let Kind::Basalt { shuffle_length, .. } = self.settings.kind {
            admitted.truncate(shuffle_length);
        }
        self.told.extend(admitted.iter().map(|d| d.peer.id));
        // Everybody who may be in the view now, in which version and at which age.
        let mut union: BTreeMap<u8, Entry> = BTreeMap::new();
        let ageing = match self.settings.kind {
            Kind::Fixed { .. } | Kind::Adaptive => {
                for descriptor in before.iter().chain(&admitted) {
                    freshest(&mut union, *descriptor);
                }
                1
            }
            Kind::Cyclon { shuffle_length } => {
                let turned = |d: &&Entry| side == Side::Passive || d.peer.id != partner;
                let kept: Vec<Entry> = before.iter().filter(turned).copied().collect();
                for descriptor in &kept {
                    union.insert(descriptor.peer.id, *descriptor);
                }
                for descriptor in admitted.iter().take(shuffle_length) {
                    let mut descriptor = *descriptor;
                    if let Some(known) = kept.iter().find(|d| d.peer.id == descriptor.peer.id) {
                        descriptor.age = known.age;
                    }
                    freshest(&mut union, descriptor);
                }
                0
            }
            Kind::Basalt { .. } => {
                for descriptor in before.iter().chain(&admitted) {
                    freshest(&mut union, *descriptor);
                }
                0
            }
        };
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
            self.sources.insert(id, partner);
            self.entered += usize::from(side == Side::Passive);
        }
        self.view = view.to_vec();
        self.forget_the_gone();
        self.assert_diverse();
    }

    /// Who of those received is taken in.
    fn admitted(
        &self,
        received: &[Entry],
        partner: u8,
        side: Side,
        before: &[Entry],
        now: Time,
    ) -> Vec<Entry> {
        let quarantined = |peer: &Host| {
            self.failed.get(&peer.id).is_some_and(|failed| {
                let moved = failed.version.is_some_and(|version| peer.version > version);
                let pause = self
                    .settings
                    .quarantine
                    .map_or(Duration::ZERO, |(first, _)| {
                        first.saturating_mul(2u32.pow(failed.moves.min(30)))
                    });
                let rested = failed.since.saturating_add(pause) <= now;
                now < failed.until && !(moved && rested)
            })
        };
        let mut admitted: Vec<Entry> = received
            .iter()
            .filter(|d| d.peer.id != OURSELVES && !quarantined(&d.peer))
            .copied()
            .collect();
        let Some(diversity) = self.settings.diversity else {
            return admitted;
        };
        let of_source = |&(id, source): &(&u8, &u8)| *source == partner && *id != partner;
        let brought = self.sources.iter().filter(of_source).count();
        let mut networks: Vec<_> = before.iter().filter_map(|d| network(&d.peer)).collect();
        let mut new: BTreeSet<u8> = BTreeSet::new();
        let mut new_of_source = 0;
        admitted.retain(|d| {
            let id = d.peer.id;
            if new.contains(&id) || before.iter().any(|known| known.peer.id == id) {
                return true;
            }
            let own = id == partner;
            let of_network = |network| networks.iter().filter(|&&other| other == network).count();
            let crowded =
                network(&d.peer).is_some_and(|network| of_network(network) >= diversity.per_prefix);
            let late = side == Side::Passive && self.entered + new.len() >= diversity.per_round;
            let much = !own && brought + new_of_source >= diversity.per_source;
            if crowded || late || much {
                return false;
            }
            networks.extend(network(&d.peer));
            new.insert(id);
            new_of_source += usize::from(!own);
            true
        });
        admitted
    }

    /// The caps, whatever led here. Peers that the application named are counted by nobody.
    fn assert_diverse(&self) {
        let Some(diversity) = self.settings.diversity else {
            return;
        };
        let mut by_source: BTreeMap<u8, usize> = BTreeMap::new();
        for (id, source) in &self.sources {
            *by_source.entry(*source).or_default() += usize::from(id != source);
        }
        assert!(
            by_source
                .values()
                .all(|count| *count <= diversity.per_source)
        );
        // Those named by the application, or known before they came into the count, may be more.
        let mut by_network: BTreeMap<u64, (usize, usize)> = BTreeMap::new();
        for descriptor in &self.view {
            if let Some(network) = network(&descriptor.peer) {
                let (told, named) = by_network.entry(network).or_default();
                match self.sources.contains_key(&descriptor.peer.id) {
                    true => *told += 1,
                    false => *named += 1,
                }
            }
        }
        assert!(
            by_network
                .values()
                .all(|(told, _)| *told <= diversity.per_prefix)
        );
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

fn network(host: &Host) -> Option<u64> {
    host.prefixes().map(|prefixes| prefixes.narrow())
}

fn freshest(union: &mut BTreeMap<u8, Entry>, descriptor: Entry) {
    let known = union.entry(descriptor.peer.id).or_insert(descriptor);
    known.age = known.age.min(descriptor.age);
    known.peer.version = known.peer.version.max(descriptor.peer.version);
}

fn sorted(entries: &[Entry]) -> Vec<(Host, u32)> {
    let mut all: Vec<_> = entries.iter().map(|d| (d.peer, d.age)).collect();
    all.sort_unstable();
    all
}
