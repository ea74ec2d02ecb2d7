//! To copy: an overlay of one's own, in the simulator and in a swarm. It keeps the peers that were
//! heard of most recently.
//!
//! `cargo run --release --example own_overlay` prints what the simulator reports of it, and of the
//! overlay `Random`. `-- youngest.svg` draws its reports into that file. Table and figure are those
//! of the example `simulate`, and take reports of any overlay.

mod simulate {
    pub mod experiment;
    pub mod plot;
    pub mod table;
}

use std::{env, error::Error, fs};

use libp2p::identity::Keypair;
use libp2p_peer_sampling::{
    Behaviour, Config, Selection,
    overlay::{Merge, Outgoing, Overlay, OverlayError, Random},
    peer::Peer,
    rand::Rng,
    sampler,
    simulator::{
        config::Config as Network,
        driver::Driver,
        faults::{Crash, Faults},
        host::Host,
        report::{Paths, Report, Since},
        rounds::Rounds,
    },
    view::View,
};
use simulate::{experiment::Experiment, plot, table};

const VIEW_SIZE: usize = 20;

/// Keeps the youngest descriptors, and sends half of them.
#[derive(Debug, Clone, Copy)]
struct Youngest;

impl<P: Peer> Overlay<P> for Youngest {
    /// The view has no order of its own: head, tail, uniform.
    type Mode = Selection;

    /// There is no setting that could be wrong.
    fn check(&self, _view_size: usize) -> Result<(), OverlayError> {
        Ok(())
    }

    /// This node, and half of the view, at random.
    fn compose<R: Rng + ?Sized>(
        &mut self,
        view: &mut View<P>,
        outgoing: &mut Outgoing<'_, P>,
        rng: &mut R,
    ) {
        let half = outgoing.view_size / 2;
        view.permute_head(half, view.len(), rng);
        outgoing.push_local();
        outgoing.extend(view.head(half));
    }

    /// All together, one descriptor for each peer, and the oldest go.
    fn merge<R: Rng + ?Sized>(&mut self, view: &mut View<P>, merge: Merge<'_, P>, _rng: &mut R) {
        view.append(merge.received);
        let surplus = view.len().saturating_sub(merge.view_size);
        view.remove_old_items(surplus);
        view.increase_age();
    }
}

/// 1,000 nodes, of which half crash: how random is the network of views, and how long are the dead
/// remembered?
fn experiment(overlay: &str) -> Experiment {
    let gossip = sampler::Config::default().with_view_size(VIEW_SIZE);
    let crash = Crash {
        fraction: 0.5,
        round: 20,
    };
    Experiment {
        description: format!("1000 nodes, view {VIEW_SIZE}, overlay {overlay}, crash 0.5@20"),
        config: Network::new(1_000)
            .with_gossip(gossip)
            .with_faults(Faults::none().with_crash(crash))
            .with_rounds(30),
        paths: Paths::Directed,
        every: None,
        is_topology: false,
    }
}

/// Lets the rounds pass, and prints the reports as they come.
fn run<O>(experiment: &Experiment, overlay: O) -> Result<Vec<Report>, Box<dyn Error>>
where
    O: Overlay<Host> + Clone + Send + Sync,
{
    print!("{}", table::header(experiment));
    let mut rounds = Rounds::new(experiment.config.clone(), overlay)?;
    let mut since = Since::now(&rounds);
    let mut reports = Vec::new();
    loop {
        if experiment.reports_after(rounds.round()) {
            let report = Report::of(&rounds, &since, experiment.paths);
            since = Since::now(&rounds);
            print!("{}", table::row(experiment, &report, None));
            reports.push(report);
        }
        if rounds.round() == experiment.config.rounds() {
            break;
        }
        rounds.next_round();
    }
    if let Some(last) = reports.last() {
        println!("{}", table::footer(experiment, last));
    }
    Ok(reports)
}

fn main() -> Result<(), Box<dyn Error>> {
    run(&experiment("random"), Random::for_view_size(VIEW_SIZE))?;
    let youngest = experiment("youngest");
    let reports = run(&youngest, Youngest)?;
    if let Some(file) = env::args_os().nth(1) {
        fs::write(file, plot::figure(&youngest, &reports)?)?;
    }

    // The same in a swarm.
    let config = Config::local()
        .with_view_size(VIEW_SIZE)
        .with_overlay(Youngest);
    let sampling = Behaviour::new(&Keypair::generate_ed25519(), config)?;
    println!("{} has this overlay", sampling.local_peer_id());
    Ok(())
}
