//! Which peers a node takes in, as the documents describe it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use libp2p_peer_sampling::{peer::Peer, time::Time};

use super::{
    super::{super::host::Host, OURSELVES, settings::Settings},
    Entry, Side,
};

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

/// The peers that failed, and which peer brought which.
#[derive(Debug, Default)]
pub(super) struct Admission {
    failed: BTreeMap<u8, Failed>,
    /// The peer of which each peer of the view was learnt.
    sources: BTreeMap<u8, u8>,
    /// Who came in by way of requests in this round.
    entered: usize,
}

impl Admission {
    pub(super) fn begin_round(&mut self) {
        self.entered = 0;
    }

    /// A peer is dead; the view had this version of it.
    pub(super) fn failed(
        &mut self,
        partner: u8,
        version: Option<u8>,
        now: Time,
        settings: &Settings,
    ) {
        let Some((first, longest)) = settings.quarantine else {
            return;
        };
        let before = self.failed.get(&partner);
        let times = before.map_or(1, |failed| failed.times + 1);
        let pause = first.saturating_mul(2u32.pow((times - 1).min(30)));
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

    pub(super) fn answered(&mut self, partner: u8) {
        self.failed.remove(&partner);
    }

    /// A peer has started an exchange itself.
    pub(super) fn called(&mut self, from: u8, now: Time, settings: &Settings) {
        if let Some((first, _)) = settings.quarantine
            && let Some(failed) = self.failed.get_mut(&from)
            && failed.since.saturating_add(first) <= now
        {
            failed.until = now;
        }
    }

    /// With nobody left, all may come back, and at once.
    pub(super) fn forgive(&mut self) {
        self.failed.clear();
        self.entered = 0;
    }

    pub(super) fn retain(&mut self, view: &BTreeSet<u8>) {
        self.sources.retain(|id, _| view.contains(id));
    }

    /// A peer came into the view.
    pub(super) fn entered(&mut self, id: u8, partner: u8, side: Side) {
        self.sources.insert(id, partner);
        self.entered += usize::from(side == Side::Passive);
    }

    /// Who of those received is taken in.
    pub(super) fn admitted(
        &self,
        received: &[Entry],
        (partner, side): (u8, Side),
        before: &[Entry],
        (now, settings): (Time, &Settings),
    ) -> Vec<Entry> {
        let quarantined = |peer: &Host| {
            self.failed.get(&peer.id).is_some_and(|failed| {
                let moved = failed.version.is_some_and(|version| peer.version > version);
                let pause = settings.quarantine.map_or(Duration::ZERO, |(first, _)| {
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
        let Some(diversity) = settings.diversity else {
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
    pub(super) fn assert_diverse(&self, view: &[Entry], settings: &Settings) {
        let Some(diversity) = settings.diversity else {
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
        for descriptor in view {
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
}

fn network(host: &Host) -> Option<u64> {
    host.prefixes().map(|prefixes| prefixes.narrow())
}
