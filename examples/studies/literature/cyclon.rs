//! Cyclon, JNSM 2005.

use libp2p_peer_sampling::{
    overlay::Cyclon,
    sampler::Config as Gossip,
    simulator::{
        bootstrap::Bootstrap,
        clustering::Clustering,
        components::Components,
        config::Config,
        driver::Driver,
        faults::{Crash, Faults},
        graph::Graph,
        in_degrees::InDegrees,
        paths::PathLengths,
        removal::first_partitions,
        rounds::Rounds,
    },
};
use rand::{SeedableRng, rngs::StdRng};

use crate::literature::{
    check::{Line, Tolerance},
    study::{Paper, Study},
    tocs::pass,
};

pub const PAPER: Paper = Paper {
    name: "Cyclon 2005",
    title: "Voulgaris, Gavidia, van Steen: Cyclon: inexpensive membership management, JNSM 13(2), \
            2005",
    settings: &["N = 100,000 and c = 20 unless said, l = 8; the oldest partner, no retries."],
};

const N: usize = 100_000;
const C: usize = 20;
const SHUFFLE_LENGTH: usize = 8;

const WIDER: &str = "Ages increase at the node that starts a shuffle, as the paper's text says. If \
    they increase at both ends, the SD is 1.22, but the text forbids that.";

pub fn studies() -> Vec<Study> {
    vec![
        small(),
        random_graph(),
        converged(),
        from(Bootstrap::Star, "star", 32, 60),
        from(Bootstrap::Chain, "chain", 48, 76),
        removal(),
        crash(),
    ]
}

fn start(
    nodes: usize,
    c: usize,
    bootstrap: Bootstrap,
    faults: Faults,
    seed: u64,
) -> Rounds<Cyclon> {
    let gossip = Gossip::default().with_view_size(c).with_retries(0);
    let config = Config::new(nodes)
        .with_gossip(gossip)
        .with_bootstrap(bootstrap)
        .with_faults(faults)
        .with_rounds(1_000)
        .with_seed(seed);
    Rounds::new(config, Cyclon::new(SHUFFLE_LENGTH)).expect("the paper's settings are valid")
}

fn sd(rounds: &Rounds<Cyclon>) -> f64 {
    InDegrees::of(&rounds.network().graph()).sd
}

const CONVERGED: &str = "the converged overlay";

/// The same at a tenth of the size, where nothing is published.
fn small() -> Study {
    let run = |seed| {
        let mut rounds = start(10_000, C, Bootstrap::Star, Faults::none(), seed);
        pass(&mut rounds, 60);
        shape(&rounds.network().graph(), seed)
            .map(|(what, ours, decimals)| Line::unlisted(what, ours).decimals(decimals))
            .into()
    };
    PAPER.study(CONVERGED, "from a star, 60 rounds, N = 10,000", true, run)
}

/// SD, clustering and path length, and how many decimals they are shown with.
fn shape(graph: &Graph, seed: u64) -> [(&'static str, f64, usize); 3] {
    let mut rng = StdRng::seed_from_u64(seed);
    let undirected = graph.undirected();
    // All nodes: of a sample of 20,000 the error would be 2 %.
    let clustering = Clustering::of(&undirected, N, &mut rng).coefficient;
    let path = PathLengths::undirected(&undirected, 64, &mut rng).mean;
    [
        ("in-degree SD", InDegrees::of(graph).sd, 2),
        ("clustering", clustering, 6),
        ("path length, undirected", path, 3),
    ]
}

fn random_graph() -> Study {
    let run = |seed| {
        let graph = Graph::random(N as u32, C, &mut StdRng::seed_from_u64(seed));
        let [sd, rest @ ..] = shape(&graph, seed);
        let mut lines = vec![Line::plot(sd.0, 4.47, sd.1)];
        let rest = rest.map(|(what, ours, decimals)| Line::unlisted(what, ours).decimals(decimals));
        lines.extend(rest);
        lines
    };
    PAPER.study(CONVERGED, "the uniform random graph", false, run)
}

fn converged() -> Study {
    let run = |seed| {
        let mut rounds = start(N, C, Bootstrap::Random, Faults::none(), seed);
        pass(&mut rounds, 60);
        let graph = rounds.network().graph();
        let published = [1.19, 3.8e-4, 3.37];
        let reasons = [
            WIDER,
            "",
            "The random graph has 3.515: the value read off is low.",
        ];
        let lines = shape(&graph, seed).into_iter().zip(published).zip(reasons);
        let lines = lines.map(|(((what, ours, decimals), figure), reason)| {
            Line::plot(what, figure, ours)
                .decimals(decimals)
                .because(reason)
        });
        let mut lines: Vec<Line> = lines.collect();
        lines.extend(removal_lines(&graph, 75.0, seed));
        lines
    };
    PAPER.study(CONVERGED, "from random views, 60 rounds", false, run)
}

/// In which round the paper's curves have come to rest, and ours.
fn from(bootstrap: Bootstrap, name: &str, published: usize, last: usize) -> Study {
    let run = move |seed| {
        let mut rounds = start(N, C, bootstrap, Faults::none(), seed);
        // Enough to see where it is nearly there.
        pass(&mut rounds, 20);
        let mut sds = Vec::new();
        for _ in 20..last {
            rounds.next_round();
            sds.push(sd(&rounds));
        }
        let tail = &sds[sds.len() - 5..];
        let end = tail.iter().sum::<f64>() / 5.0;
        let far = |sd: &f64| (sd / end - 1.0).abs() > 0.05;
        let there = sds.iter().rposition(far).map_or(0, |at| at + 1) + 21;
        vec![
            Line::plot(
                format!("SD in round {published} / at the end"),
                1.0,
                sds[published - 21] / end,
            )
            .decimals(3)
            .because(
                "The last few percent come slowly, and the paper reads convergence off by eye.",
            ),
            Line::unlisted("within 5 % of it from round", there as f64).decimals(0),
            Line::unlisted("SD at the end", end),
        ]
    };
    let set_up = format!("from a {name}, {last} rounds");
    PAPER.study("how soon it converges", &set_up, false, run)
}

/// In how many orders nodes are removed.
const RUNS: usize = 20;

fn removal() -> Study {
    let run = |seed| {
        let mut rounds = start(N, 30, Bootstrap::Random, Faults::none(), seed);
        pass(&mut rounds, 60);
        removal_lines(&rounds.network().graph(), 83.0, seed)
    };
    PAPER.study(
        "nodes removed at random before the rest falls apart",
        "c = 30, from random views, 60 rounds",
        false,
        run,
    )
}

fn removal_lines(graph: &Graph, published: f64, seed: u64) -> Vec<Line> {
    let shares = first_partitions(graph, RUNS, &mut StdRng::seed_from_u64(seed));
    vec![
        Line::plot(
            "partitions, at % removed",
            published,
            100.0 * shares[RUNS / 2],
        )
        .decimals(1)
        .because("Ours is the median of 20 runs, the paper's a single run."),
        Line::unlisted("  the first of 20 runs", 100.0 * shares[0]).decimals(1),
        Line::unlisted("  the last of 20 runs", 100.0 * shares[RUNS - 1]).decimals(1),
    ]
}

fn crash() -> Study {
    let run = |seed| {
        let crash = Crash {
            fraction: 0.5,
            round: 60,
        };
        let faults = Faults::none().with_crash(crash);
        let mut rounds = start(N, C, Bootstrap::Random, faults, seed);
        pass(&mut rounds, 60);
        let mut lines = Vec::new();
        let mut passed = 0;
        while passed < 100 {
            rounds.next_round();
            passed += 1;
            let dead = 100.0 * rounds.network().graph().dead_share();
            if passed % 10 == 0 {
                lines.push(Line::unlisted(
                    format!("dead links after {passed}, %"),
                    dead,
                ));
            }
            if dead == 0.0 {
                break;
            }
        }
        lines.push(Line::unlisted("rounds until none is left", f64::from(passed)).decimals(0));
        let pieces = Components::of(&rounds.network().graph()).count;
        lines.push(
            Line::unlisted("pieces", pieces as f64)
                .allowing(Tolerance::Absolute(0.0))
                .decimals(0),
        );
        lines
    };
    PAPER.study(
        "after half of the nodes have crashed",
        "from random views, crash after 60 rounds",
        false,
        run,
    )
}
