//! Dials within the budget, and which of them are taken back.

use std::ops::{Deref, DerefMut};

use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;
use rand::{SeedableRng, rngs::StdRng};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// The budget, and what was handed over for each dial under way.
struct Dials {
    budget: Budget,
    under_way: BTreeMap<ConnectionId, Vec<Handed>>,
}

impl Deref for Dials {
    type Target = Budget;

    fn deref(&self) -> &Budget {
        &self.budget
    }
}

impl DerefMut for Dials {
    fn deref_mut(&mut self) -> &mut Budget {
        &mut self.budget
    }
}

impl Dials {
    fn new(limits: &Limits, backoff: Option<Backoff>) -> Self {
        Self {
            budget: Budget::new(limits, backoff),
            under_way: BTreeMap::new(),
        }
    }

    fn hand_over(&mut self, connection: ConnectionId, choice: Choice, now: Time) {
        let handed = self.budget.hand_over(choice, now);
        self.under_way.insert(connection, handed);
    }

    fn handed(&self, connection: ConnectionId) -> Option<Vec<Multiaddr>> {
        let handed = self.under_way.get(&connection)?;
        Some(handed.iter().map(|h| h.address().clone()).collect())
    }

    fn answered(&mut self, connection: ConnectionId, address: &Multiaddr) {
        let handed = self.under_way.remove(&connection).unwrap_or_default();
        self.budget.answered(handed, address);
    }

    fn failed(&mut self, connection: ConnectionId, outcome: impl Fn(&Multiaddr) -> DialOutcome) {
        let handed = self.under_way.remove(&connection).unwrap_or_default();
        self.budget.failed(handed, outcome);
    }
}

fn dials(change: impl FnOnce(&mut Limits)) -> Dials {
    let mut limits = Limits {
        dials_per_minute: 1_000_000,
        dials_per_prefix: 12,
        dials_per_address: 3,
        addresses_per_dial: 2,
        ..Limits::default()
    };
    change(&mut limits);
    Dials::new(&limits, None)
}

fn address(text: &str) -> Multiaddr {
    text.parse().expect("a multiaddr")
}

/// Dials in vain, as often as it may.
fn exhaust(dials: &mut Dials, known: &[Multiaddr], now: Time) {
    while let Ok(connection) = dial(dials, known, now) {
        dials.failed(connection, |_| DialOutcome::InVain);
    }
}

#[test]
fn a_peer_that_calls_is_dialled_again_where_it_was_dialled_in_vain() {
    let limits = Limits {
        dials_per_minute: 1_000_000,
        ..Limits::default()
    };
    let mut dials = Dials::new(&limits, Some(Backoff::new(60 * SECOND, 3_600 * SECOND)));
    let home = [address("/ip4/1.2.3.4/tcp/1")];
    exhaust(&mut dials, &home, Time::new(SECOND));
    dials.called(&home[0], Time::new(30 * SECOND));
    assert!(
        dial(&mut dials, &home, Time::new(30 * SECOND)).is_err(),
        "too early"
    );
    dials.called(&address("/ip4/1.2.3.4/tcp/2"), Time::new(61 * SECOND));
    dials.called(&address("/ip4/1.2.3.5/tcp/1"), Time::new(61 * SECOND));
    exhaust(&mut dials, &home, Time::new(61 * SECOND));
    exhaust(&mut dials, &home, Time::new(1_000 * SECOND));
    assert!(dial(&mut dials, &home, Time::new(1_100 * SECOND)).is_err());
    dials.called(&home[0], Time::new(1_100 * SECOND));
    assert!(dial(&mut dials, &home, Time::new(1_100 * SECOND)).is_ok());
}

#[test]
fn dials_at_known_addresses_are_not_counted() {
    let mut dials = dials(|limits| limits.dials_per_minute = 1);
    dials.set_own([address("/ip4/1.2.3.4/tcp/9")].iter());
    let mut rng = StdRng::seed_from_u64(1);
    let home = [address("/ip4/1.2.3.4/tcp/1")];
    for _ in 0..5 {
        let choice = dials.choose_known(&home, &mut rng);
        let connection = next_connection(&dials);
        dials.hand_over(connection, choice.expect("an address"), Time::new(SECOND));
        dials.failed(connection, |_| DialOutcome::InVain);
    }
    let own = dials.choose_known(&[address("/ip4/1.2.3.4/tcp/9")], &mut rng);
    assert_eq!(own.err(), Some(NotDialled::Ourselves));
    assert!(dials.in_vain.log.is_empty());
    assert!(
        dial(&mut dials, &home, Time::new(SECOND)).is_ok(),
        "the minute's dial is left"
    );
}

fn next_connection(dials: &Dials) -> ConnectionId {
    let last = dials.under_way.last_key_value();
    let last = last.map_or(0, |(last, _)| last.to_string().parse().expect("a number"));
    ConnectionId::new_unchecked(last + 1)
}

/// Dials a peer that is known by hearsay only.
fn dial(dials: &mut Dials, known: &[Multiaddr], now: Time) -> Result<ConnectionId, NotDialled> {
    let addresses = Addresses {
        known,
        verified: None,
    };
    let choice = dials.choose(addresses, now, &mut StdRng::seed_from_u64(1))?;
    let connection = next_connection(dials);
    dials.hand_over(connection, choice, now);
    Ok(connection)
}

/// How many of `peers` are dialled, all in vain.
fn in_vain(dials: &mut Dials, peers: impl Iterator<Item = Multiaddr>, now: Time) -> usize {
    peers
        .filter(
            |address| match dial(dials, std::slice::from_ref(address), now) {
                Ok(connection) => {
                    dials.failed(connection, |_| DialOutcome::InVain);
                    true
                }
                Err(error) => {
                    assert_eq!(error, NotDialled::InVain);
                    false
                }
            },
        )
        .count()
}

#[test]
fn victim_is_dialled_a_few_times_an_hour_under_any_identity() {
    let mut dials = dials(|_| ());
    let victim = || std::iter::repeat_n(address("/ip4/1.2.3.4/tcp/80"), 1_000);
    assert_eq!(in_vain(&mut dials, victim(), Time::ZERO), 3);
    assert_eq!(in_vain(&mut dials, victim(), Time::new(HOUR - SECOND)), 0);
    assert_eq!(in_vain(&mut dials, victim(), Time::new(HOUR)), 3);
    assert!(dials.under_way.is_empty());
}

#[test]
fn a_network_is_dialled_no_more_often_under_many_addresses() {
    let mut dials = dials(|_| ());
    let ports = (1..1_000).map(|port| address(&format!("/ip4/1.2.3.4/tcp/{port}")));
    assert_eq!(in_vain(&mut dials, ports, Time::ZERO), 12);
    let hosts = (1..255).map(|host| address(&format!("/ip4/1.2.3.{host}/udp/1/quic-v1")));
    assert_eq!(in_vain(&mut dials, hosts, Time::ZERO), 0);
    let others = (1..255).map(|net| address(&format!("/ip4/1.2.{net}.4/tcp/80")));
    assert_eq!(in_vain(&mut dials, others, Time::ZERO), 253);
    let names = (0..255).map(|name| address(&format!("/dns4/{name}.example.org/tcp/80")));
    assert_eq!(in_vain(&mut dials, names, Time::ZERO), 12);
    let customer = (0..255).map(|host| address(&format!("/ip6/2a00:1:2:{host}::1/tcp/80")));
    assert_eq!(in_vain(&mut dials, customer, Time::ZERO), 12);
}

#[test]
fn one_dial_counts_all_its_addresses() {
    let mut dials = dials(|limits| {
        limits.dials_per_prefix = 3;
        limits.addresses_per_dial = 8;
    });
    let known: Vec<_> = (1..=5)
        .map(|host| address(&format!("/ip4/1.2.3.{host}/tcp/80")))
        .collect();
    let connection = dial(&mut dials, &known, Time::ZERO).expect("some of them");
    assert_eq!(dials.handed(connection).map(|handed| handed.len()), Some(3));
}

#[test]
fn one_dial_tries_each_target_once() {
    let mut dials = dials(|limits| limits.addresses_per_dial = 8);
    let known = [
        "/tcp/443",
        "/tcp/443/ws",
        "/tcp/443/tls/ws",
        "/udp/443/quic-v1",
    ];
    let known = known.map(|port| address(&format!("/ip4/1.2.3.4{port}")));
    let connection = dial(&mut dials, &known, Time::ZERO).expect("free");
    assert_eq!(dials.handed(connection).map(|handed| handed.len()), Some(2));
}

#[test]
fn hosts_differ_as_far_as_they_can() {
    let known = [
        "/ip6/2a00::1/tcp/1",
        "/ip6/2a00::1/udp/1/quic-v1",
        "/ip4/1.2.3.4/tcp/1",
        "/ip4/1.2.3.4/udp/1/quic-v1",
    ];
    let known = known.map(address);
    for seed in 0..20 {
        let mut dials = dials(|_| ());
        let mut rng = StdRng::seed_from_u64(seed);
        let addresses = Addresses {
            known: &known,
            verified: None,
        };
        let choice = dials.choose(addresses, Time::ZERO, &mut rng);
        let hosts = choice
            .expect("free")
            .counted
            .iter()
            .map(Target::host)
            .collect();
        let hosts: BTreeSet<_> = hosts;
        assert_eq!(hosts.len(), 2, "seed {seed}");
    }
}

/// Ten thousand live peers behind one address translator, or in one data centre.
#[test]
fn successful_dials_use_up_no_budget() {
    let mut dials = dials(|_| ());
    for port in 1..=10_000 {
        let known = ["tcp", "udp"];
        let known = known.map(|kind| address(&format!("/ip4/1.2.3.4/{kind}/{port}")));
        let connection = dial(&mut dials, &known, Time::ZERO).expect("free");
        assert_eq!(dials.handed(connection).map(|handed| handed.len()), Some(2));
        dials.answered(connection, &known[0]);
    }
    assert!(dials.in_vain.log.is_empty());
    assert!(dials.in_vain.targets.is_empty() && dials.in_vain.prefixes.is_empty());
}

/// A peer that answers at home under many identities, and gives away a victim's address beside it.
#[test]
fn success_at_one_host_clears_no_other_host() {
    let mut dials = dials(|_| ());
    let mut knocks = 0;
    for port in 1..=1_000 {
        let home = address(&format!("/ip4/5.6.7.8/tcp/{port}"));
        let known = [address("/ip4/1.2.3.4/tcp/80"), home.clone()];
        let connection = dial(&mut dials, &known, Time::ZERO).expect("its home");
        let handed = dials.handed(connection).expect("both or one");
        knocks += usize::from(handed.contains(&known[0]));
        dials.answered(connection, &home);
    }
    assert_eq!(knocks, 3);
}

fn behind_a_relay(port: u16) -> Multiaddr {
    let relay = PeerId::random();
    address(&format!("/ip4/1.2.3.4/tcp/{port}/p2p/{relay}/p2p-circuit"))
}

/// How many of `count` peers behind a relay are dialled, all with this fate.
fn asked(dials: &mut Dials, count: usize, fate: DialOutcome) -> usize {
    let behind = behind_a_relay(80);
    let mut asked = 0;
    for _ in 0..count {
        if let Ok(connection) = dial(dials, std::slice::from_ref(&behind), Time::new(SECOND)) {
            dials.failed(connection, |_| fate);
            asked += 1;
        }
    }
    asked
}

#[test]
fn a_relay_that_answers_is_asked_more_often_than_one_that_does_not() {
    for (fate, expected) in [
        (DialOutcome::InVain, 3),
        (DialOutcome::RelayAnswered, 12),
        (DialOutcome::Unmade, 50),
    ] {
        let mut dials = dials(|limits| limits.dials_per_prefix = 1_000);
        assert_eq!(asked(&mut dials, 50, fate), expected, "{fate:?}");
    }
    // Its network has its bound whatever it does.
    let mut dials = dials(|limits| limits.dials_per_prefix = 5);
    assert_eq!(asked(&mut dials, 50, DialOutcome::RelayAnswered), 5);
}

#[test]
fn success_through_a_relay_clears_the_relay() {
    let mut dials = dials(|_| ());
    assert_eq!(asked(&mut dials, 50, DialOutcome::RelayAnswered), 12);
    // A contact, which is dialled whatever was counted.
    let home = behind_a_relay(80);
    let known = std::slice::from_ref(&home);
    let verified = Some(&home);
    let addresses = Addresses { known, verified };
    let choice = dials.choose(addresses, Time::new(SECOND), &mut StdRng::seed_from_u64(1));
    let connection = ConnectionId::new_unchecked(7);
    dials.hand_over(connection, choice.expect("exempt"), Time::new(SECOND));
    dials.answered(connection, &home);
    assert!(dials.in_vain.log.is_empty());
    assert_eq!(asked(&mut dials, 50, DialOutcome::RelayAnswered), 12);
    // Not another relay, on the same host.
    let connection = dial(&mut dials, &[], Time::new(SECOND)).expect("nothing against it");
    dials.answered(connection, &behind_a_relay(81));
    assert_eq!(asked(&mut dials, 50, DialOutcome::RelayAnswered), 0);
}

#[test]
fn a_relay_that_is_not_there_is_in_backoff_for_all_behind_it() {
    let mut dials = dials(|_| ());
    dials.in_vain.backoff = Some(Backoff::new(10 * SECOND, 40 * SECOND));
    assert_eq!(asked(&mut dials, 5, DialOutcome::RelayAnswered), 5);
    assert_eq!(asked(&mut dials, 5, DialOutcome::InVain), 1);
    let door = [address("/ip4/1.2.3.4/tcp/80")];
    assert_eq!(
        dial(&mut dials, &door, Time::new(SECOND)),
        Err(NotDialled::InVain)
    );
}

/// Our own connection limits say nothing about an address.
#[test]
fn dials_that_were_not_made_are_not_counted() {
    let mut dials = dials(|_| ());
    let known = [address("/ip4/1.2.3.4/tcp/80")];
    for _ in 0..100 {
        let connection = dial(&mut dials, &known, Time::ZERO).expect("free");
        dials.failed(connection, |_| DialOutcome::Unmade);
    }
    assert!(dials.in_vain.log.is_empty());
}

#[test]
fn peer_is_dialled_where_it_was_found_despite_hearsay() {
    let mut dials = dials(|_| ());
    let home = address("/ip4/1.2.3.4/tcp/80");
    in_vain(
        &mut dials,
        std::iter::repeat_n(home.clone(), 99),
        Time::new(SECOND),
    );
    let known = [address("/ip4/9.9.9.9/tcp/9"), home.clone()];
    let addresses = Addresses {
        known: &known,
        verified: Some(&home),
    };
    let choice = dials.choose(addresses, Time::new(SECOND), &mut StdRng::seed_from_u64(1));
    dials.hand_over(
        ConnectionId::new_unchecked(7),
        choice.expect("exempt"),
        Time::new(SECOND),
    );
    assert_eq!(dials.in_vain.log.len(), 3, "not counted");
    let handed = dials.handed(ConnectionId::new_unchecked(7));
    assert_eq!(handed.as_deref(), Some(&known[1..]), "nowhere else");
    // Nor does its answer make room for others.
    dials.answered(ConnectionId::new_unchecked(7), &home);
    assert_eq!(
        in_vain(&mut dials, [home].into_iter(), Time::new(SECOND)),
        0
    );
}

#[test]
fn a_target_in_backoff_is_left_alone() {
    let mut dials = dials(|limits| limits.dials_per_address = 100);
    dials.in_vain.backoff = Some(Backoff::new(10 * SECOND, 40 * SECOND));
    let victim = || std::iter::once(address("/ip4/1.2.3.4/tcp/80"));
    let mut dialled = Vec::new();
    for second in 0..160 {
        if in_vain(&mut dials, victim(), Time::new(second * SECOND)) > 0 {
            dialled.push(second);
        }
    }
    assert_eq!(dialled, [0, 10, 30, 70, 110, 150]);
    // Under way is as good as in vain.
    let known = [address("/ip4/5.6.7.8/tcp/80")];
    let connection = dial(&mut dials, &known, Time::new(200 * SECOND)).expect("free");
    let again = dial(&mut dials, &known, Time::new(200 * SECOND));
    assert_eq!(again, Err(NotDialled::InVain));
    dials.answered(connection, &known[0]);
    assert!(dial(&mut dials, &known, Time::new(200 * SECOND)).is_ok());
}

#[test]
fn a_success_takes_back_its_own_dial_and_no_other() {
    let mut dials = dials(|_| ());
    dials.in_vain.backoff = Some(Backoff::new(10 * SECOND, 40 * SECOND));
    let known = [address("/ip4/1.2.3.4/tcp/80")];
    let failed = dial(&mut dials, &known, Time::ZERO).expect("free");
    dials.failed(failed, |_| DialOutcome::InVain);
    let good = dial(&mut dials, &known, Time::new(20 * SECOND)).expect("free");
    dials.answered(good, &known[0]);
    let target = Target::of(&known[0]).expect("a target");
    assert_eq!(dials.in_vain.targets[&target], (1, Time::ZERO));
}

#[test]
fn own_addresses_are_not_dialled() {
    let mut dials = dials(|_| ());
    let relay = libp2p_identity::PeerId::random();
    let own = [
        address("/ip4/10.0.0.1/tcp/4001"),
        address(&format!("/ip4/1.2.3.4/tcp/1/p2p/{relay}/p2p-circuit")),
    ];
    dials.set_own(own.iter());
    let again = [address("/ip4/10.0.0.1/tcp/4001/ws")];
    assert_eq!(
        dial(&mut dials, &again, Time::ZERO),
        Err(NotDialled::Ourselves)
    );
    let relay = [address("/ip4/1.2.3.4/tcp/1")];
    assert!(dial(&mut dials, &relay, Time::ZERO).is_ok());
    let both = [again[0].clone(), address("/ip4/10.0.0.2/tcp/4001")];
    let connection = dial(&mut dials, &both, Time::ZERO).expect("the other");
    assert_eq!(dials.handed(connection).as_deref(), Some(&both[1..]));
}

#[test]
fn a_minute_has_so_many_dials() {
    let mut dials = dials(|limits| limits.dials_per_minute = 6);
    let dialled = |dials: &mut Dials, net: usize, now| {
        (0..100)
            .take_while(|host| {
                let known = [address(&format!("/ip4/1.{net}.{host}.4/tcp/80"))];
                let result = dial(dials, &known, now);
                assert!(matches!(result, Ok(_) | Err(NotDialled::Budget)));
                result.is_ok()
            })
            .count()
    };
    assert_eq!(dialled(&mut dials, 1, Time::ZERO), 6);
    assert_eq!(dialled(&mut dials, 2, Time::new(10 * SECOND)), 1);
    assert_eq!(dialled(&mut dials, 3, Time::new(10 * MINUTE)), 6);
}

#[test]
fn failures_remembered_are_bounded_and_not_washed_away() {
    let mut dials = dials(|limits| limits.dials_per_prefix = 1_000_000);
    let victim = || std::iter::repeat_n(address("/ip4/1.2.3.4/tcp/80"), 10);
    in_vain(&mut dials, victim(), Time::ZERO);
    let many = (0..20_000u32).map(|n| address(&format!("/ip4/8.8.{}.{}/tcp/80", n / 250, n % 250)));
    let dialled = in_vain(&mut dials, many, Time::new(SECOND));
    assert_eq!(dialled, REMEMBERED - 3);
    assert_eq!(in_vain(&mut dials, victim(), Time::new(2 * SECOND)), 0);
    assert_eq!(dials.in_vain.targets.len(), REMEMBERED - 2);
    assert_eq!(in_vain(&mut dials, victim(), Time::new(HOUR + SECOND)), 3);
    assert_eq!(dials.in_vain.log.len(), 3);
    assert_eq!(dials.in_vain.targets.len(), 1);
    assert_eq!(dials.in_vain.prefixes.len(), 1);
}

#[test]
fn peer_without_known_addresses_may_be_dialled() {
    let mut dials = dials(|_| ());
    let connection = dial(&mut dials, &[], Time::ZERO).expect("nothing against it");
    assert_eq!(dials.handed(connection), Some(Vec::new()));
}
