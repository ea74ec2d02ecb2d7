//! Simulates a network of thousands to millions of nodes, and measures it.
//!
//! `cargo run --release --features simulator --example simulate -- --help` lists the arguments.
//! Without arguments it simulates 10,000 nodes for 100 rounds.

mod simulate {
    pub mod arguments;
    pub mod blame;
    pub mod description;
    pub mod experiment;
    pub mod json;
    pub mod plot;
    pub mod settings;
    pub mod table;
    pub mod topology;
    pub mod values;
}

use std::{
    fs::File,
    io::{self, ErrorKind, StdoutLock, Write, stdout},
    process::ExitCode,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use libp2p_peer_sampling::{
    overlay::Overlay,
    simulator::{
        driver::Driver,
        events::Events,
        host::Host,
        report::{Report, Since},
        rounds::Rounds,
        topology::Topology,
    },
};
use simulate::{
    json::Line,
    plot,
    settings::{Chosen, Request, Settings},
    table, topology,
};

fn main() -> ExitCode {
    let settings = match Settings::from_args() {
        Ok(Request::Simulate(settings)) => settings,
        Ok(Request::Help(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(reason) => return usage(&reason),
    };
    // Now rather than after an hour's work.
    let plot = match settings.plot.as_ref().map(File::create).transpose() {
        Ok(plot) => plot,
        Err(error) => {
            let path = settings.plot.unwrap_or_default();
            return usage(&format!("--plot {}: {error}", path.display()));
        }
    };
    let done = match settings.overlay.clone() {
        Chosen::Random(overlay) => with_overlay(&settings, overlay, plot),
        Chosen::Cyclon(overlay) => with_overlay(&settings, overlay, plot),
        Chosen::Basalt(overlay) => with_overlay(&settings, overlay, plot),
        Chosen::Topology(chosen) => with_topology(&settings, *chosen, plot),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has closed the output, and wants no more.
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Settings(reason)) => usage(&reason),
        Err(Failure::Output(error)) => failure(&error.to_string()),
        Err(Failure::Plot(reason)) => failure(&format!("--plot: {reason}")),
    }
}

fn usage(reason: &str) -> ExitCode {
    eprintln!("simulate: {reason}");
    ExitCode::from(2)
}

fn failure(reason: &str) -> ExitCode {
    eprintln!("simulate: {reason}");
    ExitCode::FAILURE
}

/// What can go wrong once the arguments are known to be possible.
enum Failure {
    /// They are not, after all.
    Settings(String),
    /// The reports cannot be printed.
    Output(io::Error),
    /// The figure cannot be drawn.
    Plot(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Makes the driver, and does all the rest.
fn with_overlay<O: Overlay<Host> + Clone + Send + Sync>(
    settings: &Settings,
    overlay: O,
    plot: Option<File>,
) -> Result<(), Failure> {
    let config = settings.experiment.config.clone();
    let blame = |error| Failure::Settings(settings.blame(&error));
    let reports = match settings.events {
        false => run(
            settings,
            Rounds::new(config, overlay).map_err(blame)?,
            |_| None,
        )?,
        true => run(
            settings,
            Events::new(config, overlay).map_err(blame)?,
            |_| None,
        )?,
    };
    draw(settings, &reports, plot)
}

/// The same for two networks in lockstep.
fn with_topology(
    settings: &Settings,
    topology: topology::Chosen,
    plot: Option<File>,
) -> Result<(), Failure> {
    let config = settings.experiment.config.clone();
    let topology::Chosen {
        overlay,
        random,
        candidates,
    } = topology;
    let topology = Topology::new(config, random, overlay, candidates);
    let topology = topology.map_err(|error| Failure::Settings(settings.blame(&error)))?;
    let reports = run(settings, topology, |topology| {
        Some(topology.missing_links())
    })?;
    draw(settings, &reports, plot)
}

/// Draws the figure, if one is asked for.
fn draw(settings: &Settings, reports: &[Report], plot: Option<File>) -> Result<(), Failure> {
    if let Some(mut file) = plot {
        let figure = plot::figure(&settings.experiment, reports)
            .map_err(|e| Failure::Plot(e.to_string()))?;
        let written = file.write_all(figure.as_bytes());
        written.map_err(|error| Failure::Plot(error.to_string()))?;
    }
    Ok(())
}

/// Lets the rounds pass, and prints the reports as they come. `missing`: which share of links is
/// missing, in a topology.
fn run<D: Driver>(
    settings: &Settings,
    mut driver: D,
    missing: impl Fn(&mut D) -> Option<f64>,
) -> Result<Vec<Report>, Failure> {
    let experiment = &settings.experiment;
    let last = experiment.config.rounds();
    let progress = Progress::new(last);
    let mut out = Output::new(settings, &progress);
    if !settings.json {
        out.print(&table::header(experiment))?;
    }
    let mut reports = Vec::new();
    let mut since = Since::now(&driver);
    let mut clock = Clock::default();
    // In a network that has yet to grow there is nothing to be seen.
    if !driver.network().is_empty() {
        let report = Report::of(&driver, &since, experiment.paths);
        out.report(&report, missing(&mut driver), Duration::ZERO)?;
        reports.push(report);
    }
    while driver.round() < last {
        clock.time(|| driver.next_round());
        let round = driver.round();
        progress.bar.set_position(round);
        if experiment.reports_after(round) {
            let report = Report::of(&driver, &since, experiment.paths);
            since = Since::now(&driver);
            out.report(&report, missing(&mut driver), clock.take())?;
            if settings.plot.is_none() {
                // Only a figure needs more than the last one, and there may be 10^9.
                reports.clear();
            }
            reports.push(report);
        }
    }
    progress.bar.finish_and_clear();
    if let Some(last) = reports.last()
        && !settings.json
    {
        out.print(&table::footer(experiment, last))?;
    }
    Ok(reports)
}

/// How long the rounds have taken, the measures left out.
#[derive(Default)]
struct Clock(Duration);

impl Clock {
    fn time(&mut self, work: impl FnOnce()) {
        #[expect(
            clippy::disallowed_methods,
            reason = "only exchanges_per_second depends on it"
        )]
        let start = Instant::now();
        work();
        self.0 += start.elapsed();
    }

    fn take(&mut self) -> Duration {
        std::mem::take(&mut self.0)
    }
}

/// How far the simulation is: on standard error, if that is a terminal.
struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn new(rounds: u64) -> Self {
        let style = ProgressStyle::with_template("{wide_bar} round {pos} of {len}, {eta} left");
        let bar = ProgressBar::new(rounds);
        match style {
            Ok(style) => bar.set_style(style),
            Err(_) => bar.set_style(ProgressStyle::default_bar()),
        }
        bar.tick();
        Self { bar }
    }
}

/// Standard output, beside which there may be a progress bar.
struct Output<'a> {
    settings: &'a Settings,
    progress: &'a Progress,
    stdout: StdoutLock<'static>,
}

impl<'a> Output<'a> {
    fn new(settings: &'a Settings, progress: &'a Progress) -> Self {
        Self {
            settings,
            progress,
            stdout: stdout().lock(),
        }
    }

    fn print(&mut self, text: &str) -> io::Result<()> {
        self.progress.bar.suspend(|| {
            self.stdout.write_all(text.as_bytes())?;
            self.stdout.flush()
        })
    }

    fn report(&mut self, report: &Report, missing: Option<f64>, took: Duration) -> io::Result<()> {
        let took = self.settings.speed.then_some(took);
        let line = match self.settings.json {
            true => Line::new(report, missing, took).to_json(),
            false => table::row(&self.settings.experiment, report, missing),
        };
        self.print(&line)
    }
}
