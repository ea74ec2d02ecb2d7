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
/// arguments give the same output, byte for byte, except for exchanges_per_second in that of --json.
/// Path lengths are exact up to 10,000 nodes, clustering up to 20,000; beyond, they are sampled.
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

    /// The overlay: which peers survive a merge
    #[arg(long, value_name = "NAME", default_value = "random")]
    pub overlay: OverlayName,

    /// The healer parameter of the overlay random: up to H of the oldest descriptors go [default:
    /// each node's own, growing up to C/2 as its exchanges fail; with --swapper 0]
    #[arg(long, value_name = "H", allow_negative_numbers = true)]
    pub healer: Option<usize>,

    /// The swapper parameter of the overlay random: up to S of the descriptors sent go [default:
    /// C/2 - H; with --healer 0]
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub swapper: Option<usize>,

    /// The shuffle length of the overlays cyclon and basalt: how many descriptors go each way [default:
    /// for cyclon 8, at most C; for basalt a third of C]
    #[arg(long, value_name = "L", allow_negative_numbers = true)]
    pub shuffle_length: Option<usize>,

    /// What the slots of the overlay basalt compare: identities, or networks first [default: prefixes]
    #[arg(long, value_name = "WHAT")]
    pub ranking: Option<RankingName>,

    /// With how many tickets wide and narrow networks compete in the overlay basalt [default: 16/4]
    #[arg(long, value_name = "WIDE/NARROW", allow_hyphen_values = true)]
    pub tickets: Option<Pair>,

    /// How many slots of the overlay basalt get new seeds, and every how many rounds [default: 1/2]
    #[arg(long, value_name = "K/R", allow_hyphen_values = true)]
    pub renewal: Option<Pair>,

    /// For how many rounds after its last answer others are told of a peer, in the overlay basalt
    /// [default: 60]
    #[arg(long, value_name = "R", allow_negative_numbers = true)]
    pub memory: Option<usize>,

    /// For how many rounds a peer that failed is not taken in again: at first, and at most
    #[arg(long, value_name = "FIRST..LONGEST", allow_hyphen_values = true)]
    pub quarantine: Option<Between>,

    /// How many peers of a view may be learnt from one partner, how many may be in one narrow network,
    /// and how many may come in with the requests of one round
    #[arg(long, value_name = "SOURCE/PREFIX/ROUND", allow_hyphen_values = true)]
    pub diversity: Option<Caps>,

    /// With whom a node starts its exchanges: the youngest of its view, the oldest, or a random one; the
    /// overlay basalt chooses by itself
    #[arg(long, value_name = "WHOM", default_value = "tail")]
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

    /// How many further partners a node tries in a round when exchanges fail [default: 3, at most C]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub retries: Option<usize>,

    /// Who knows whom at the start. Growing: all join within 20 rounds, knowing only the oldest node
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

    /// Report after every K rounds, and in any case after the last [default: 10, and each of the 12
    /// rounds after a crash]
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    pub every: Option<u64>,

    /// Where all random numbers come from: another seed, another run
    #[arg(
        long,
        value_name = "X",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub seed: u64,

    /// That share of the nodes, 0 to 1, crashes at the end of that round; may be given several times
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

    /// Cut the network in two halves from the beginning of round FROM to that of round TO
    #[arg(long, value_name = "FROM..TO", allow_hyphen_values = true)]
    pub partition: Option<Between>,

    /// The share of the nodes, 0 to 1, that are attackers. All measures are of the honest nodes then,
    /// and there are more: attacker_share of their views, attacker_samples of what their sampling
    /// service hands out, how many are isolated, how many victim_dials they make, and in an eclipse the
    /// victim_share of attackers in the view of the victim. Without attackers, these keys are not there
    #[arg(long, value_name = "FRACTION", allow_negative_numbers = true)]
    pub attackers: Option<f64>,

    /// What attackers do: push identities of theirs to everybody (flood), the same few of them (hub),
    /// push to one node (eclipse) or to nodes that restart in turn (restart), hand out made-up
    /// identities with the address of one victim (spray), flood out of one /16 (prefix) [default:
    /// flood]
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

    /// What nodes keep over a restart in the attack restart: nothing, or their latest partners [default:
    /// nothing]
    #[arg(long, value_name = "WHAT")]
    pub kept: Option<KeptName>,

    /// Along which links path lengths are measured
    #[arg(long, value_name = "KIND", default_value = "directed")]
    pub paths: PathsName,

    /// How time passes: in synchronous rounds, as in the papers, or in virtual time, where messages
    /// take some and exchanges overlap
    #[arg(long, value_name = "NAME", default_value = "rounds")]
    pub driver: DriverName,

    /// The median latency of a message in milliseconds; a period takes 10,000 [default: 50]
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    pub latency: Option<u64>,

    /// How latencies spread: the standard deviation of their logarithm, 0 to 5 [default: 0.5]
    #[arg(long, value_name = "SIGMA", allow_negative_numbers = true)]
    pub jitter: Option<f64>,

    /// How many threads may be used; the result is the same. Fewer than 65,536 nodes use one
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        allow_negative_numbers = true
    )]
    pub threads: usize,

    /// Print JSON instead of a table: one object per report, each on a line of its own, with
    /// dead_links as a share from 0 to 1. As in the table, bytes_per_node (per round) and exchanges
    /// are counted since the report before, and so are exchanges_per_second, without the time that
    /// the measures take
    #[arg(long)]
    pub json: bool,

    /// Write null for exchanges_per_second, the only thing that differs from run to run
    #[arg(long)]
    pub no_speed: bool,

    /// Draw the reports into this file
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
}
