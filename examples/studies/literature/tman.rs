//! T-Man, ESOA 2005 and Computer Networks 2009.

use libp2p_peer_sampling::{
    overlay::Ranked,
    sampler::Config as Gossip,
    simulator::{
        config::Config,
        driver::Driver,
        topology::{
            Topology,
            shape::{Kind, Shape},
        },
    },
};

use crate::literature::{
    check::{Line, Tolerance},
    study::{Paper, Study},
};

pub const PAPER: Paper = Paper {
    name: "T-Man 2009",
    title: "Jelasity, Montresor, Babaoglu: T-Man: gossip-based fast overlay topology construction, \
            Computer Networks 53(13), 2009",
    settings: &[
        "m = 20, psi = 10, 30 random peers in each view at the start.",
        "In a round each node starts one exchange. The ring is the plain one of 2005: \
         nodes evenly apart, and the nearest two are a node's links.",
        "No life time and no probes: they are not the paper's.",
    ],
};

const MESSAGE: usize = 20;
const PSI: usize = 10;
const AT_THE_START: usize = 30;

/// More than any view comes to before the topology is complete.
const NO_CAP: usize = 2_000;

const FEW_ARE_LATE: &str = "With small views the last links come one by one, each by luck: of six \
    seeds the slowest takes 1.3 to 1.5 times as long as the quickest.";

const SMALL_VIEWS: &str = "With c = 80 our rounds are two of the paper's cycles, as they should \
    be. Small views take us longer. In the ring with c = 20 and N = 2^14 we tried 5 random \
    candidates (37 rounds), messages of 10 (22), psi of 3 (18), of 20 (36) and of 1 (over 40).";

pub fn studies() -> Vec<Study> {
    let mut studies = vec![
        by_round(10, &[0.871, 0.552, 0.160, 0.016], 6, true),
        by_round(13, &[0.981, 0.918, 0.710, 0.331, 0.074, 0.011], 9, false),
    ];
    let caps = [(20, 28.0), (40, 15.0), (60, 12.0), (100, 9.0)];
    studies.extend(caps.map(|(cap, figure)| with_cap(cap, figure)));
    studies.push(never());
    for (kind, name, figures) in [
        (Kind::EvenRing, "ring", [27.0, 21.0, 20.0]),
        (Kind::Torus, "torus", [27.0, 21.0, 19.0]),
        (Kind::Tree, "binary tree", [33.0, 27.0, 21.0]),
    ] {
        let c = [20, 40, 80].into_iter().zip(figures);
        studies.extend(c.map(|(c, figure)| published(kind, name, c, figure)));
    }
    studies
}

/// `cap`: the view size. `candidates`: how many random peers a node is told of in each round.
fn start(kind: Kind, log: u32, cap: usize, candidates: usize, seed: u64) -> Topology {
    let nodes = 1 << log;
    let links = match kind {
        Kind::Torus => 4,
        Kind::Tree => 3,
        _ => 2,
    };
    let overlay = Ranked::new(Shape::new(kind, nodes, seed), links)
        .with_message(MESSAGE)
        .with_psi(PSI)
        .with_life(u32::MAX)
        .with_probes(false);
    let cap = cap.min(nodes - 1);
    let gossip = Gossip::default().with_retries(0);
    let config = Config::new(nodes)
        .with_gossip(gossip.clone().with_view_size(cap))
        .with_seed(seed);
    let random = gossip.with_view_size(AT_THE_START);
    Topology::new(config, random, overlay, candidates).expect("the paper's settings are valid")
}

/// After how many rounds no link is missing, `most` if some still are.
fn complete(topology: &mut Topology, most: u64) -> f64 {
    while topology.round() < most && topology.missing_links() > 0.0 {
        topology.next_round();
    }
    topology.round() as f64
}

const CYCLES: &str = "links that are missing, by round; views without a bound, no candidates";

fn by_round(log: u32, figures: &'static [f64], last: u64, quick: bool) -> Study {
    let run = move |seed| {
        let mut topology = start(Kind::EvenRing, log, NO_CAP, 0, seed);
        let mut lines = Vec::new();
        for (round, figure) in (1..).zip(figures) {
            topology.next_round();
            let missing = topology.missing_links();
            lines.push(
                Line::simulated(format!("after round {round}"), *figure, missing)
                    .allowing(Tolerance::Factor(1.5))
                    .decimals(3),
            );
        }
        let rounds = complete(&mut topology, 40);
        lines.push(
            Line::simulated("complete after rounds", last as f64, rounds)
                .allowing(Tolerance::Absolute(1.0))
                .decimals(0),
        );
        lines
    };
    PAPER.study(CYCLES, format!("ring, N = 2^{log}"), quick, run)
}

const CAPS: &str = "rounds until no link is missing; 5 random candidates in each round";

/// The median of five runs: three alone say little. With views of 60, of the first three it is 9.
fn with_cap(cap: usize, figure: f64) -> Study {
    let run = move |seed| {
        let rounds = |run| complete(&mut start(Kind::EvenRing, 13, cap, 5, seed + run), 80);
        let mut rounds: Vec<f64> = (0..5).map(rounds).collect();
        rounds.sort_by(f64::total_cmp);
        vec![
            Line::simulated("the median of 5 runs", figure, rounds[2])
                .allowing(Tolerance::Absolute(2.0))
                .decimals(0)
                .because(FEW_ARE_LATE),
            Line::unlisted("the quickest", rounds[0]).decimals(0),
            Line::unlisted("the slowest", rounds[4]).decimals(0),
        ]
    };
    PAPER.study(CAPS, format!("ring, N = 2^13, views of {cap}"), false, run)
}

fn never() -> Study {
    let run = |seed| {
        let mut topology = start(Kind::EvenRing, 13, 20, 0, seed);
        (0..60).for_each(|_| topology.next_round());
        vec![
            Line::simulated("missing after 60 rounds, x 10^4", 2.0, {
                topology.missing_links() * 1e4
            })
            .allowing(Tolerance::Factor(1.5))
            .decimals(1)
            .because("A few links, each by luck."),
        ]
    };
    PAPER.study(
        "without candidates and with small views it is never complete",
        "ring, N = 2^13, views of 20",
        false,
        run,
    )
}

fn published(kind: Kind, name: &str, c: usize, figure: f64) -> Study {
    let run = move |seed| {
        let mut topology = start(kind, 14, c, AT_THE_START, seed);
        let rounds = complete(&mut topology, 60);
        vec![
            Line::plot("cycles until none is missing", figure, 2.0 * rounds)
                .allowing(Tolerance::Absolute(2.0))
                .decimals(0)
                .because(SMALL_VIEWS),
        ]
    };
    PAPER.study(
        "cycles of half a period until fewer than one link is missing; 30 random candidates in each",
        format!("{name}, N = 2^14, c = {c}"),
        false,
        run,
    )
}
