//! How two peers agree to be neighbours, and which one gives way.

use rand::{SeedableRng, rngs::StdRng};

use super::*;

fn peers(count: usize) -> Vec<PeerId> {
    (0..count).map(|_| PeerId::random()).collect()
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(1)
}

fn anywhere(_: &PeerId) -> Option<u64> {
    None
}

#[test]
fn places_are_held_for_peers_that_were_asked() {
    let mut neighbours = Neighbours::new(2, None);
    let p = peers(4);
    assert_eq!(neighbours.propose(p[0]), Proposal::Needed);
    assert_eq!(neighbours.propose(p[1]), Proposal::Needed);
    assert_eq!(neighbours.propose(p[2]), Proposal::None);
    assert_eq!(
        neighbours.answer(p[3], Proposal::Welcome, anywhere, &mut rng()),
        Answer::Declined
    );
    assert_eq!(
        neighbours.end_proposal(p[0], Some(true), anywhere, &mut rng()),
        ProposalOutcome::Up(None)
    );
    assert_eq!(
        neighbours.end_proposal(p[1], None, anywhere, &mut rng()),
        ProposalOutcome::Unanswered
    );
    assert_eq!(
        neighbours.end_proposal(p[1], None, anywhere, &mut rng()),
        ProposalOutcome::Unchanged
    );
    assert_eq!(
        neighbours.answer(p[3], Proposal::Welcome, anywhere, &mut rng()),
        Answer::Accepted(None)
    );
    assert_eq!(neighbours.members(), [p[0], p[3]]);
}

#[test]
fn peers_that_ask_each_other_at_once_agree() {
    let mut neighbours = Neighbours::new(1, None);
    let p = peers(1);
    assert_eq!(neighbours.propose(p[0]), Proposal::Needed);
    assert_eq!(
        neighbours.answer(p[0], Proposal::Needed, anywhere, &mut rng()),
        Answer::Accepted(None)
    );
    assert_eq!(
        neighbours.end_proposal(p[0], Some(true), anywhere, &mut rng()),
        ProposalOutcome::Unchanged
    );
    assert_eq!(neighbours.members(), p);
}

#[test]
fn a_peer_that_is_short_of_neighbours_is_taken_in() {
    let mut neighbours = Neighbours::new(3, None);
    let p = peers(5);
    for peer in &p[..3] {
        neighbours.answer(*peer, Proposal::Welcome, anywhere, &mut rng());
    }
    assert_eq!(
        neighbours.answer(p[3], Proposal::Welcome, anywhere, &mut rng()),
        Answer::Declined
    );
    let Answer::Accepted(Some(displaced)) =
        neighbours.answer(p[4], Proposal::Needed, anywhere, &mut rng())
    else {
        panic!("declined");
    };
    assert_eq!(displaced.reason, NeighbourDownReason::Replaced);
    let replaced = displaced.peer;
    assert!(p[..3].contains(&replaced) && !neighbours.contains(&replaced));
    assert!(neighbours.contains(&p[4]));
    assert_eq!(neighbours.members().len(), 3);
}

/// A thousand identities in one network, and neighbours in as many networks as there are places.
#[test]
fn one_network_gets_one_place() {
    let mut neighbours = Neighbours::new(8, None);
    let (honest, sybils) = (peers(8), peers(1_000));
    let at = |peer: &PeerId| honest.iter().position(|p| p == peer).map(|at| at as u64);
    for peer in &honest[..2] {
        neighbours.propose(*peer);
        neighbours.end_proposal(*peer, Some(true), at, &mut rng());
    }
    for peer in &honest[2..] {
        neighbours.answer(*peer, Proposal::Welcome, at, &mut rng());
    }
    assert_eq!(neighbours.members(), honest);
    let mut rng = rng();
    for sybil in &sybils {
        let answer = neighbours.answer(*sybil, Proposal::Needed, at, &mut rng);
        assert!(matches!(answer, Answer::Accepted(Some(_))), "{answer:?}");
    }
    let kept = honest.iter().filter(|peer| neighbours.contains(peer));
    assert_eq!(kept.count(), 7);
    // The neighbour that was there first gives way to those in other networks.
    let mut neighbours = Neighbours::new(8, None);
    for sybil in &sybils[..8] {
        neighbours.answer(*sybil, Proposal::Welcome, at, &mut rng);
    }
    assert_eq!(neighbours.members(), &sybils[..6], "two places are kept");
    for peer in &honest {
        neighbours.answer(*peer, Proposal::Needed, at, &mut rng);
    }
    let here = honest.iter().filter(|peer| neighbours.contains(peer));
    assert!(here.count() >= 5);
    assert_eq!(neighbours.members().len(), 6);
}

/// Peers that ask for a place leave some to the peers that this node asks, and never take these.
#[test]
fn a_quarter_of_the_places_is_for_own_proposals() {
    let mut neighbours = Neighbours::new(4, Some(1));
    let p = peers(300);
    for peer in &p[..10] {
        neighbours.answer(*peer, Proposal::Welcome, anywhere, &mut rng());
    }
    assert_eq!(neighbours.members(), &p[..3]);
    assert_eq!(neighbours.propose(p[10]), Proposal::Welcome);
    neighbours.end_proposal(p[10], Some(true), anywhere, &mut rng());
    for peer in &p[11..] {
        (0..2).for_each(|_| neighbours.begin_round());
        for proposal in [Proposal::Welcome, Proposal::Needed] {
            neighbours.answer(*peer, proposal, anywhere, &mut rng());
        }
        assert!(neighbours.contains(&p[10]) && neighbours.contains(peer));
    }
}

#[test]
fn after_some_rounds_the_longest_gives_way_to_a_fresh_one() {
    let mut neighbours = Neighbours::new(2, Some(10));
    let p = peers(9);
    for peer in &p[..2] {
        neighbours.answer(*peer, Proposal::Welcome, anywhere, &mut rng());
    }
    let rotated = |peer| {
        let reason = NeighbourDownReason::Rotated;
        Some(Displaced { peer, reason })
    };
    (0..4).for_each(|_| neighbours.begin_round());
    assert_eq!(neighbours.propose(p[2]), Proposal::None, "not yet");
    (0..11).for_each(|_| neighbours.begin_round());
    // By a proposal of its own: one at a time, and nobody goes before somebody has agreed.
    assert_eq!(neighbours.propose(p[2]), Proposal::Welcome);
    assert_eq!(neighbours.propose(p[3]), Proposal::None);
    assert_eq!(
        neighbours.end_proposal(p[2], Some(false), anywhere, &mut rng()),
        ProposalOutcome::Unchanged
    );
    assert_eq!(neighbours.members(), &p[..2]);
    assert_eq!(neighbours.propose(p[4]), Proposal::Welcome);
    assert_eq!(
        neighbours.end_proposal(p[4], Some(true), anywhere, &mut rng()),
        ProposalOutcome::Up(rotated(p[0]))
    );
    assert_eq!(neighbours.members(), [p[1], p[4]]);
    // Then the time starts again; and by a proposal of another's.
    let answer = neighbours.answer(p[5], Proposal::Welcome, anywhere, &mut rng());
    assert_eq!(answer, Answer::Declined);
    (0..15).for_each(|_| neighbours.begin_round());
    let answer = neighbours.answer(p[6], Proposal::Welcome, anywhere, &mut rng());
    assert_eq!(answer, Answer::Accepted(rotated(p[1])));
    assert_eq!(neighbours.members(), [p[4], p[6]]);
}

/// 250 nodes at rest, of whose partners one in ten is an attacker. Attackers say yes to every
/// proposal, and from the hundredth round on ask each node once a round, always in need, from
/// networks of their own.
#[test]
fn pressing_attackers_displace_each_other() {
    const NODES: usize = 225;
    const ALL: usize = 250;
    let mut rng = rng();
    let peers = peers(ALL);
    let at = |peer: &PeerId| peers.iter().position(|p| p == peer).expect("known");
    let mut nodes: Vec<_> = (0..NODES).map(|_| Neighbours::new(8, Some(30))).collect();
    let part = |nodes: &mut Vec<Neighbours>, one: usize, gone: Option<Displaced>| {
        let gone = gone.map(|gone| at(&gone.peer)).filter(|gone| *gone < NODES);
        if let Some(gone) = gone {
            nodes[gone].remove(&peers[one]);
        }
    };
    for round in 0..300 {
        for _ in 0..if round < 100 { 0 } else { NODES } {
            let (one, attacker) = (rng.random_range(0..NODES), rng.random_range(NODES..ALL));
            let from = peers[attacker];
            let answer = nodes[one].answer(from, Proposal::Needed, anywhere, &mut rng);
            if let Answer::Accepted(displaced) = answer {
                part(&mut nodes, one, displaced);
            }
        }
        for one in 0..NODES {
            nodes[one].begin_round();
            let other = rng.random_range(0..ALL);
            if other == one || nodes[one].contains(&peers[other]) {
                continue;
            }
            let proposal = nodes[one].propose(peers[other]);
            let accepted = match nodes.get_mut(other) {
                _ if proposal == Proposal::None => continue,
                None => true,
                Some(node) => match node.answer(peers[one], proposal, anywhere, &mut rng) {
                    Answer::Accepted(displaced) => {
                        part(&mut nodes, other, displaced);
                        true
                    }
                    _ => false,
                },
            };
            let settled = nodes[one].end_proposal(peers[other], Some(accepted), anywhere, &mut rng);
            match settled {
                ProposalOutcome::Up(displaced) => part(&mut nodes, one, displaced),
                ProposalOutcome::TooLate if other < NODES => _ = nodes[other].remove(&peers[one]),
                _ => {}
            }
        }
    }
    let honest = nodes.iter().map(|node| {
        let members = node.members().iter();
        members.filter(|member| at(member) < NODES).count()
    });
    let (all, alone) = (
        honest.clone().sum::<usize>(),
        honest.filter(|h| *h == 0).count(),
    );
    let mean = all as f64 / NODES as f64;
    println!("of 8 neighbours {mean:.2} are honest, {alone} nodes have none");
    assert!(
        alone == 0 && mean > 3.0,
        "{alone} have none, the mean is {mean}"
    );
}

#[test]
fn node_without_rotation_keeps_its_neighbours() {
    for (bound, rotation) in [(2, None), (1, Some(1))] {
        let mut neighbours = Neighbours::new(bound, rotation);
        let p = peers(bound + 1);
        for peer in &p[..bound] {
            neighbours.answer(*peer, Proposal::Welcome, anywhere, &mut rng());
        }
        (0..1_000).for_each(|_| neighbours.begin_round());
        let answer = neighbours.answer(p[bound], Proposal::Welcome, anywhere, &mut rng());
        assert_eq!(answer, Answer::Declined);
        assert_eq!(neighbours.propose(p[bound]), Proposal::None);
    }
}

/// Both start an exchange with the other at once, and only one of them has a place when it does.
#[test]
fn nobody_is_taken_in_while_a_no_is_on_its_way() {
    let mut neighbours = Neighbours::new(1, None);
    let p = peers(2);
    neighbours.propose(p[0]);
    assert_eq!(neighbours.propose(p[1]), Proposal::None);
    neighbours.says_no(p[1]);
    neighbours.end_proposal(p[0], Some(false), anywhere, &mut rng());
    let answer = neighbours.answer(p[1], Proposal::Needed, anywhere, &mut rng());
    assert_eq!(answer, Answer::Declined);
    neighbours.end_proposal(p[1], Some(false), anywhere, &mut rng());
    let answer = neighbours.answer(p[1], Proposal::Needed, anywhere, &mut rng());
    assert_eq!(answer, Answer::Accepted(None));
}

#[test]
fn the_next_exchange_settles_a_disagreement() {
    let p = peers(1);
    let mut neighbours = Neighbours::new(2, None);
    neighbours.answer(p[0], Proposal::Welcome, anywhere, &mut rng());
    assert_eq!(
        neighbours.answer(p[0], Proposal::None, anywhere, &mut rng()),
        Answer::Dissolved
    );
    neighbours.answer(p[0], Proposal::Welcome, anywhere, &mut rng());
    assert_ne!(neighbours.propose(p[0]), Proposal::None);
    assert_eq!(
        neighbours.end_proposal(p[0], Some(false), anywhere, &mut rng()),
        ProposalOutcome::Down
    );
    assert!(neighbours.members().is_empty());
}

/// The peer says yes, thinks better of it, and its second word overtakes the first.
#[test]
fn a_yes_that_was_overtaken_by_a_no_is_too_late() {
    let p = peers(1);
    let mut neighbours = Neighbours::new(2, None);
    neighbours.propose(p[0]);
    assert_eq!(
        neighbours.answer(p[0], Proposal::None, anywhere, &mut rng()),
        Answer::Declined
    );
    assert_eq!(
        neighbours.end_proposal(p[0], Some(true), anywhere, &mut rng()),
        ProposalOutcome::TooLate
    );
}

/// We ask, accept what the peer proposed meanwhile, and give its place to another.
#[test]
fn a_yes_that_comes_after_its_place_was_given_away_is_too_late() {
    let p = peers(40);
    let mut rng = rng();
    let mut neighbours = Neighbours::new(2, None);
    neighbours.answer(p[1], Proposal::Welcome, anywhere, &mut rng);
    neighbours.propose(p[0]);
    neighbours.answer(p[0], Proposal::Welcome, anywhere, &mut rng);
    let mut newcomers = p[2..].iter();
    while neighbours.contains(&p[0]) {
        let newcomer = newcomers.next().expect("one of 38 gets its place");
        neighbours.answer(*newcomer, Proposal::Needed, anywhere, &mut rng);
    }
    neighbours.remove(&neighbours.members()[0].clone());
    let settled = neighbours.end_proposal(p[0], Some(true), anywhere, &mut rng);
    assert_eq!(settled, ProposalOutcome::TooLate);
}

#[test]
fn a_yes_without_a_place_or_a_question_is_too_late() {
    let p = peers(3);
    let mut neighbours = Neighbours::new(1, None);
    assert_eq!(
        neighbours.end_proposal(p[0], Some(true), anywhere, &mut rng()),
        ProposalOutcome::TooLate
    );
    neighbours.propose(p[0]);
    neighbours.members.push(p[1]);
    assert_eq!(
        neighbours.end_proposal(p[0], Some(true), anywhere, &mut rng()),
        ProposalOutcome::TooLate
    );
    assert_eq!(neighbours.members(), [p[1]]);
}

#[test]
fn bound_of_zero_means_no_neighbours() {
    let p = peers(1);
    let mut neighbours = Neighbours::new(0, None);
    assert!(!neighbours.is_short());
    assert_eq!(neighbours.propose(p[0]), Proposal::None);
    assert_eq!(
        neighbours.answer(p[0], Proposal::Needed, anywhere, &mut rng()),
        Answer::Declined
    );
}

/// Of a ranked neighbourhood, with these targets.
fn ranked(bound: usize, targets: &[PeerId]) -> Neighbours {
    let mut neighbours = Neighbours::ranked(bound);
    neighbours.set_targets(targets);
    neighbours
}

#[test]
fn only_targets_are_proposed_to() {
    let p = peers(4);
    let mut neighbours = ranked(4, &p[..2]);
    assert_eq!(neighbours.propose(p[0]), Proposal::Needed);
    assert_eq!(neighbours.propose(p[2]), Proposal::None);
    assert_eq!(
        neighbours.end_proposal(p[0], Some(true), anywhere, &mut rng()),
        ProposalOutcome::Up(None)
    );
    assert_eq!(
        neighbours.propose(p[0]),
        Proposal::Needed,
        "it is one still"
    );
    neighbours.set_targets(&p[1..3]);
    assert_eq!(neighbours.propose(p[0]), Proposal::Welcome, "for its sake");
    assert_eq!(neighbours.confirmation(&p[0]), Proposal::Welcome);
}

#[test]
fn targets_always_have_a_place() {
    let p = peers(6);
    let mut neighbours = ranked(3, &p[..2]);
    let answer = |neighbours: &mut Neighbours, peer, proposal| {
        neighbours.answer(peer, proposal, anywhere, &mut rng())
    };
    // One place is nobody's: two are held for the targets.
    let needed = Proposal::Needed;
    assert_eq!(
        answer(&mut neighbours, p[2], needed),
        Answer::Accepted(None)
    );
    assert_eq!(answer(&mut neighbours, p[3], needed), Answer::Declined);
    assert_eq!(
        answer(&mut neighbours, p[0], needed),
        Answer::Accepted(None)
    );
    assert_eq!(
        answer(&mut neighbours, p[1], needed),
        Answer::Accepted(None)
    );
    // Another is ranked first now.
    neighbours.set_targets(&[p[4], p[0]]);
    let displaced = Displaced {
        peer: p[1],
        reason: NeighbourDownReason::Outranked,
    };
    let accepted = answer(&mut neighbours, p[4], needed);
    assert_eq!(accepted, Answer::Accepted(Some(displaced)));
    assert_eq!(neighbours.members(), [p[2], p[0], p[4]]);
}

#[test]
fn neighbour_that_neither_end_ranks_first_any_more_is_outranked() {
    let p = peers(2);
    let mut neighbours = ranked(4, &p[..1]);
    let answer = |neighbours: &mut Neighbours, proposal| {
        neighbours.answer(p[0], proposal, anywhere, &mut rng())
    };
    assert_eq!(
        answer(&mut neighbours, Proposal::Needed),
        Answer::Accepted(None)
    );
    neighbours.set_targets(&p[1..]);
    assert_eq!(neighbours.outranked(), None, "the other end wants it");
    assert_eq!(answer(&mut neighbours, Proposal::Needed), Answer::Kept);
    assert_eq!(
        answer(&mut neighbours, Proposal::Welcome),
        Answer::Dissolved
    );
    assert_eq!(neighbours.members(), []);

    // Or this node finds out by itself.
    neighbours.set_targets(&p[..1]);
    assert_eq!(
        answer(&mut neighbours, Proposal::Welcome),
        Answer::Accepted(None)
    );
    assert_eq!(neighbours.outranked(), None);
    neighbours.set_targets(&[]);
    assert_eq!(neighbours.outranked(), Some(p[0]));
}
