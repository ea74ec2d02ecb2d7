//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::simulate::values::{
    AttackName, Between, BootstrapName, Caps, CrashAt, DriverName, KeptName, OverlayName, Pair,
    PathsName, PropagationName, RankingName, SelectName,
};

/// Simulates a network of nodes that sample their peers by gossip, and measures it.
///
/// Prints a report before the first round, then every few rounds, and after the last one. The same
/// arguments give the same output, byte for byte; only exchanges_per_second of --json differs. Path
/// lengths are exact up to 10,000 nodes, clustering up to 20,000. In larger networks both are
/// estimated from a sample.
#[derive(Debug, Parser)]
#[command(name = "simulate")]
pub struct Arguments {
    /// How many nodes there are
    #[arg(
        long,
        value_name = "N",
        default_value_t = 10_000,
        allow_negative_numbers = true
    )]
    pub nodes: usize,

    /// The view size c: how many peers each node knows
    #[arg(
        long,
        value_name = "C",
        default_value_t = 30,
        allow_negative_numbers = true
    )]
    pub view: usize,

    /// The overlay: which peers survive a merge. Those from ring on are topologies, T-Man: beside
    /// each is a random overlay with views of C, and what is reported is the topology.
    /// missing_links is the share of its links, from 0 to 1, that nodes do not have
    #[arg(long, value_name = "NAME", default_value = "random")]
    pub overlay: OverlayName,

    /// The healer parameter of the overlay random: a merge drops up to H of the oldest descriptors
    /// [default: each node raises its own H, up to C/2, as its exchanges fail; 0 with --swapper]
    #[arg(long, value_name = "H", allow_negative_numbers = true)]
    pub healer: Option<usize>,

    /// The swapper parameter of the overlay random: a merge drops up to S of the descriptors that
    /// were sent [default: C/2 - H; 0 with --healer]
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub swapper: Option<usize>,

    /// The shuffle length of the overlays cyclon and basalt: how many descriptors travel each way
    /// [default: for cyclon 8, at most C; for basalt a third of C]
    #[arg(long, value_name = "L", allow_negative_numbers = true)]
    pub shuffle_length: Option<usize>,

    /// What the slots of the overlay basalt compare: networks first (prefixes), or only identities
    /// (identity) [default: prefixes]
    #[arg(long, value_name = "WHAT")]
    pub ranking: Option<RankingName>,

    /// In the overlay basalt, the most tickets of a wide and of a narrow network [default: 16/4]
    #[arg(long, value_name = "WIDE/NARROW", allow_hyphen_values = true)]
    pub tickets: Option<Pair>,

    /// In the overlay basalt, K slots get new seeds every R rounds [default: 1/2]
    #[arg(long, value_name = "K/R", allow_hyphen_values = true)]
    pub renewal: Option<Pair>,

    /// For how many rounds after a peer's last answer a node tells others of it, in the overlay
    /// basalt [default: 60]
    #[arg(long, value_name = "R", allow_negative_numbers = true)]
    pub memory: Option<usize>,

    /// In a topology, how many links each node is to have [default: ring 2, torus 4, tree 3, others
    /// 8]
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    pub target: Option<usize>,

    /// In a topology, how many descriptors travel each way [default: 20, at most CAP]
    #[arg(long, value_name = "M", allow_negative_numbers = true)]
    pub sent: Option<usize>,

    /// In a topology, the partner is one of the PSI nearest [default: 10, at most CAP]
    #[arg(long, value_name = "PSI", allow_negative_numbers = true)]
    pub psi: Option<usize>,

    /// In a topology, how many of the nearest peers each node keeps [default: 60]
    #[arg(long, value_name = "CAP", allow_negative_numbers = true)]
    pub cap: Option<usize>,

    /// In a topology, for how many rounds a descriptor lives [default: 20]
    #[arg(long, value_name = "ROUNDS", allow_negative_numbers = true)]
    pub life: Option<u32>,

    /// In a topology, of how many peers of its random view each node is told per round [default: C]
    #[arg(long, value_name = "R", allow_negative_numbers = true)]
    pub random_candidates: Option<usize>,

    /// For how many rounds a view does not take back a peer that failed: at first, and at most
    #[arg(long, value_name = "FIRST..LONGEST", allow_hyphen_values = true)]
    pub quarantine: Option<Between>,

    /// Limits of a view: how many peers may be learnt from one partner, how many may be in one
    /// narrow network, and how many may come in with the requests of one round
    #[arg(long, value_name = "SOURCE/PREFIX/ROUND", allow_hyphen_values = true)]
    pub diversity: Option<Caps>,

    /// The partner that a node selects from its view for an exchange: the youngest (head), the
    /// oldest (tail), or a random one (rand). The overlay basalt selects by its own rule
    #[arg(long, value_name = "PARTNER", default_value = "tail")]
    pub select: SelectName,

    /// In which direction descriptors travel
    #[arg(long, value_name = "WAY", default_value = "push-pull")]
    pub propagation: PropagationName,

    /// How many exchanges each node starts per round
    #[arg(
        long,
        value_name = "F",
        default_value_t = 1,
        allow_negative_numbers = true
    )]
    pub fanout: usize,

    /// How many more partners a node tries in a round if exchanges fail [default: 3, at most C]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub retries: Option<usize>,

    /// Which peers each node knows at the start. Growing: all nodes join within 20 rounds, and know
    /// only the oldest node
    #[arg(long, value_name = "SHAPE", default_value = "random")]
    pub bootstrap: BootstrapName,

    /// How many rounds there are
    #[arg(
        long,
        value_name = "R",
        default_value_t = 100,
        allow_negative_numbers = true
    )]
    pub rounds: u64,

    /// Print a report every K rounds, and always after the last [default: 10, and after each of the
    /// 12 rounds that follow a crash]
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    pub every: Option<u64>,

    /// The seed of all random numbers: another seed gives another run
    #[arg(
        long,
        value_name = "X",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub seed: u64,

    /// The share FRACTION of the nodes, 0 to 1, crashes at the end of round ROUND; may be given
    /// several times
    #[arg(long, value_name = "FRACTION@ROUND", allow_hyphen_values = true)]
    pub crash: Vec<CrashAt>,

    /// The share of the nodes, 0 to 1, that are replaced by newcomers in each round
    #[arg(
        long,
        value_name = "FRACTION",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    pub churn: f64,

    /// The probability, 0 to 1, that a message is lost
    #[arg(
        long,
        value_name = "P",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    pub loss: f64,

    /// Cut the network in two halves from the beginning of round FROM to the beginning of round TO
    #[arg(long, value_name = "FROM..TO", allow_hyphen_values = true)]
    pub partition: Option<Between>,

    /// The share of the nodes, 0 to 1, that are attackers. With attackers, all measures are of the
    /// honest nodes, and reports have more keys. attacker_share: the attackers' share of honest
    /// views. attacker_samples: their share of what the sampling service of honest nodes hands out.
    /// isolated: how many honest nodes are isolated. victim_dials: how many dials honest nodes make
    /// at the victim. victim_share, in an eclipse: the attackers' share of the victim's view
    #[arg(long, value_name = "FRACTION", allow_negative_numbers = true)]
    pub attackers: Option<f64>,

    /// What attackers do: push their identities to all nodes (flood), push the same few of them
    /// (hub), push to one node (eclipse), push to nodes that restart in turn (restart), hand out
    /// made-up identities with the address of one victim (spray), flood from one /16 (prefix)
    /// [default: flood]
    #[arg(long, value_name = "NAME")]
    pub attack: Option<AttackName>,

    /// How many exchanges each attacker starts per round [default: 10]
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    pub force: Option<usize>,

    /// How many identities the attackers have together [default: one each]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub identities: Option<usize>,

    /// How many descriptors attackers put into a message [default: as many as a view holds]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub message: Option<usize>,

    /// What a node keeps when it restarts, in the attack restart: nothing, or its latest partners
    /// (contacted) [default: nothing]
    #[arg(long, value_name = "WHAT")]
    pub kept: Option<KeptName>,

    /// Whether paths follow links only in their direction (directed), or both ways (undirected)
    #[arg(long, value_name = "KIND", default_value = "directed")]
    pub paths: PathsName,

    /// How time passes: in synchronous rounds, as in the papers, or in virtual time, where messages
    /// take time and exchanges overlap
    #[arg(long, value_name = "NAME", default_value = "rounds")]
    pub driver: DriverName,

    /// The median latency of a message, in milliseconds; a period takes 10,000 ms [default: 50]
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    pub latency: Option<u64>,

    /// How much latencies vary: the standard deviation of their logarithm, 0 to 5 [default: 0.5]
    #[arg(long, value_name = "SIGMA", allow_negative_numbers = true)]
    pub jitter: Option<f64>,

    /// How many threads to use at most; the result is always the same. A network of fewer than
    /// 65,536 nodes uses one
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        allow_negative_numbers = true
    )]
    pub threads: usize,

    /// Print JSON instead of a table: one object per report, each on its own line. dead_links is a
    /// share from 0 to 1. As in the table, bytes_per_node (per round) and exchanges count from the
    /// report before. So does exchanges_per_second, which leaves out the time that measuring takes
    #[arg(long)]
    pub json: bool,

    /// Print null for exchanges_per_second, the only value that differs from run to run
    #[arg(long)]
    pub no_speed: bool,

    /// Draw the reports into this file
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
}
