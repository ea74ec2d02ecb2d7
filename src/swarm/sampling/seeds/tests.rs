//! When seeds are tried, and which of them.

use rand::{SeedableRng, rngs::StdRng};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn seeds(count: u64) -> Seeds {
    let mut seeds = Seeds::new(Backoff::new(SECOND, 60 * SECOND));
    for port in 1..=count {
        seeds
            .add(address(port), PeerId::random())
            .expect("an address");
    }
    seeds
}

fn poll(seeds: &mut Seeds, now: Time, lonely: bool) -> Vec<Multiaddr> {
    let mut rng = StdRng::seed_from_u64(1);
    seeds.start_over(now, lonely, &mut rng);
    std::iter::from_fn(|| seeds.poll(now, 10 * SECOND, &mut rng)).collect()
}

fn address(port: u64) -> Multiaddr {
    Multiaddr::empty().with(Protocol::Memory(port))
}

#[test]
fn every_seed_is_tried_once_a_few_at_a_time() {
    let mut seeds = seeds(6);
    let first = poll(&mut seeds, Time::new(SECOND), false);
    assert_eq!(first.len(), AT_ONCE);
    assert!(seeds.tried(&first[0]));
    assert!(!seeds.tried(&first[0]));
    let second = poll(&mut seeds, Time::new(SECOND), false);
    assert_eq!(second.len(), 1);
    assert!(!first.contains(&second[0]));
    assert_eq!(seeds.next_wake(), Some(Time::new(11 * SECOND)));
    let late = std::iter::from_fn(|| seeds.poll_expired(Time::new(11 * SECOND))).count();
    assert_eq!(late, AT_ONCE);
    assert_eq!(poll(&mut seeds, Time::new(11 * SECOND), false).len(), 1);
}

#[test]
fn a_lonely_node_comes_back_ever_more_seldom() {
    let mut seeds = seeds(1);
    let mut attempts = Vec::new();
    for tick in 0..6_000 {
        let now = Time::new(tick * SECOND / 10);
        for address in poll(&mut seeds, now, true) {
            attempts.push(now);
            assert!(seeds.tried(&address));
        }
    }
    // 1, 2, 4, ... 32, 60, 60, ... give or take a half: 600 s hold some 15 of them.
    assert!((10..22).contains(&attempts.len()), "{attempts:?}");
    let last = attempts[attempts.len() - 1] - attempts[attempts.len() - 2];
    assert!(last >= 30 * SECOND, "{attempts:?}");
    assert!(poll(&mut seeds, Time::new(10_000 * SECOND), false).is_empty());
}

#[test]
fn peers_that_come_for_a_moment_do_not_put_off_the_next_attempt() {
    let mut seeds = seeds(1);
    let mut attempts = Vec::new();
    for tick in 0..600 {
        let now = Time::new(tick * SECOND / 10);
        // Every other moment somebody is in the view.
        for address in poll(&mut seeds, now, tick % 2 == 0) {
            attempts.push(now);
            assert!(seeds.tried(&address));
        }
    }
    // At 0, and after some 1, 2, 4, 8, 16 s more.
    assert!((5..=8).contains(&attempts.len()), "{attempts:?}");
}

#[test]
fn a_seed_that_does_not_answer_does_not_put_off_the_others() {
    let mut seeds = seeds(2);
    let first = poll(&mut seeds, Time::ZERO, true);
    assert_eq!(first.len(), 2);
    assert!(seeds.tried(&first[0]));
    let again = poll(&mut seeds, Time::new(2 * SECOND), true);
    assert_eq!(again, first[..1]);
}

#[test]
fn seeds_that_were_tried_least_come_first() {
    let mut seeds = seeds(2);
    for _ in 0..3 {
        assert!(
            poll(&mut seeds, Time::new(SECOND), false)
                .iter()
                .all(|a| seeds.tried(a))
        );
        seeds.seeds[0].state = State::Due;
    }
    let tried: Vec<_> = seeds.seeds.iter().map(|seed| seed.attempts).collect();
    assert_eq!(tried, [3, 1]);
    seeds.seeds[1].state = State::Due;
    let mut rng = StdRng::seed_from_u64(1);
    let next = seeds.poll(Time::new(SECOND), SECOND, &mut rng);
    assert_eq!(next, Some(address(2)));
}

#[test]
fn a_probe_makes_one_seed_due_though_the_view_is_not_empty() {
    let mut seeds = seeds(3);
    let all = poll(&mut seeds, Time::new(SECOND), false);
    assert!(all.iter().all(|address| seeds.tried(address)));
    let mut rng = StdRng::seed_from_u64(1);
    assert!(poll(&mut seeds, Time::new(1_000 * SECOND), false).is_empty());
    assert!(seeds.probe(&mut rng));
    assert_eq!(poll(&mut seeds, Time::new(1_000 * SECOND), false).len(), 1);
    assert!(!super::Seeds::new(Backoff::new(SECOND, SECOND)).probe(&mut rng));
}

#[test]
fn a_seed_that_was_this_node_is_tried_again_and_said_to_be_once() {
    let mut seeds = seeds(1);
    let ours = poll(&mut seeds, Time::new(SECOND), false).remove(0);
    assert!(seeds.is_ourselves(&ours));
    assert!(seeds.probe(&mut StdRng::seed_from_u64(1)));
    assert_eq!(
        poll(&mut seeds, Time::new(SECOND), false),
        std::slice::from_ref(&ours)
    );
    assert!(!seeds.is_ourselves(&ours));
}

#[test]
fn addresses_that_are_no_seeds_are_refused_by_name() {
    let local = PeerId::random();
    let mut seeds = Seeds::new(Backoff::new(SECOND, SECOND));
    let p2p = Protocol::P2p(PeerId::random());
    let ours = Multiaddr::empty()
        .with(Protocol::Memory(1))
        .with(Protocol::P2p(local));
    assert!(matches!(seeds.add(ours, local), Err(SeedError::Ourselves)));
    for bad in [Multiaddr::empty(), Multiaddr::empty().with(p2p)] {
        assert!(matches!(
            seeds.add(bad, local),
            Err(SeedError::NotAnAddress)
        ));
    }
    for port in 0..MAX_SEEDS as u64 {
        assert!(seeds.add(address(port), local).is_ok());
        assert!(seeds.add(address(port), local).is_ok(), "known already");
    }
    let full = seeds.add(address(9_999), local);
    assert!(matches!(full, Err(SeedError::TooMany { max: MAX_SEEDS })));
}

#[test]
fn a_seed_in_two_spellings_is_one() {
    let local = PeerId::random();
    let [peer, other] = [(); 2].map(|()| Protocol::P2p(PeerId::random()));
    let (bare, full) = (address(1), address(1).with(peer.clone()));
    for (first, second) in [(&bare, &full), (&full, &bare)] {
        let mut seeds = Seeds::new(Backoff::new(SECOND, SECOND));
        for seed in [first, second] {
            assert!(seeds.add(seed.clone(), local).is_ok());
        }
        assert!(seeds.addresses().eq([first]), "dialled twice");
        assert!(seeds.remove(second) && seeds.addresses().next().is_none());
    }
    // Two peers at one address are two, and so are two behind one relay.
    let circuit = full.clone().with(Protocol::P2pCircuit);
    let behind = |peer| circuit.clone().with(peer);
    let mut seeds = Seeds::new(Backoff::new(SECOND, SECOND));
    let all = [
        full.clone(),
        bare.with(other.clone()),
        circuit.clone(),
        behind(peer),
        behind(other),
    ];
    for seed in &all {
        assert!(seeds.add(seed.clone(), local).is_ok());
    }
    assert!(seeds.addresses().eq(&all));
    assert!(seeds.remove(&circuit) && seeds.addresses().count() == 4);
}

#[test]
fn tried_seeds_give_way() {
    let mut seeds = seeds(MAX_SEEDS as u64);
    let tried = poll(&mut seeds, Time::new(SECOND), false);
    assert!(seeds.tried(&tried[0]));
    assert!(seeds.add(address(9_999), PeerId::random()).is_ok());
    assert_eq!(seeds.addresses().count(), MAX_SEEDS);
    assert!(!seeds.addresses().any(|address| *address == tried[0]));
    assert!(seeds.remove(&address(9_999)));
    assert!(!seeds.remove(&address(9_999)));
}

/// A wake-up in the past that no call clears would make the behaviour spin.
#[test]
fn a_seed_added_while_lonely_leaves_no_wake_up_in_the_past() {
    let mut seeds = seeds(1);
    let first = poll(&mut seeds, Time::ZERO, true);
    assert!(seeds.tried(&first[0]));
    assert!(poll(&mut seeds, Time::ZERO, true).is_empty());
    // It waits for the second attempt. mDNS finds another.
    seeds.add(address(2), PeerId::random()).expect("an address");
    assert_eq!(poll(&mut seeds, Time::new(SECOND / 10), true).len(), 1);
    // The first has its second attempt, although the other has not answered yet.
    let now = Time::new(5 * SECOND);
    assert_eq!(poll(&mut seeds, now, true), first);
    assert!(seeds.next_wake().is_none_or(|wake| wake > now));
}

#[test]
fn the_last_seed_removed_leaves_no_wake_up_in_the_past() {
    let mut seeds = seeds(1);
    let first = poll(&mut seeds, Time::ZERO, true);
    assert!(seeds.tried(&first[0]));
    assert!(poll(&mut seeds, Time::ZERO, true).is_empty());
    seeds.remove(&address(1));
    // Started over, with nobody: for those who are connected.
    assert!(poll(&mut seeds, Time::new(9 * SECOND), true).is_empty());
    assert!(poll(&mut seeds, Time::new(9 * SECOND), true).is_empty());
    assert!(
        seeds
            .next_wake()
            .is_none_or(|wake| wake > Time::new(9 * SECOND))
    );
    poll(&mut seeds, Time::new(10 * SECOND), false);
    assert_eq!(seeds.next_wake(), None);
}

#[test]
fn a_seed_with_too_much_to_do_is_tried_again_when_it_has_said() {
    let mut seeds = seeds(2);
    let now = Time::new(SECOND);
    let both = poll(&mut seeds, now, true);
    assert!(seeds.tried(&both[0]) && seeds.tried(&both[1]));
    seeds.come_back(&both[0], 20 * SECOND, now);
    for second in 2..21 {
        let again = poll(&mut seeds, Time::new(second * SECOND), true);
        assert!(!again.contains(&both[0]), "second {second}");
        again.iter().for_each(|seed| assert!(seeds.tried(seed)));
    }
    assert!(seeds.next_wake() <= Some(Time::new(21 * SECOND)));
    let again = poll(&mut seeds, Time::new(21 * SECOND), false);
    assert_eq!(
        again,
        [both[0].clone()],
        "even if others are in the view by now"
    );
}

#[test]
fn a_seed_puts_itself_off_no_longer_than_the_longest_pause() {
    let mut seeds = seeds(1);
    let now = Time::new(SECOND);
    let seed = poll(&mut seeds, now, true).remove(0);
    assert!(seeds.tried(&seed));
    seeds.come_back(&seed, 1_000_000 * SECOND, now);
    assert_eq!(poll(&mut seeds, Time::new(61 * SECOND), false), [seed]);
}
