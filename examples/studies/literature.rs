//! Reproduces the published figures of gossip peer sampling, with the state machine of this crate.
//!
//! `cargo run --release --example literature` runs the set-ups of the papers. It prints each
//! published figure beside ours, and says which of them differ and why. `-- --quick` runs a part of
//! the set-ups in less than a minute.

mod literature {
    pub mod check;
    pub mod cyclon;
    pub mod failures;
    pub mod reading;
    pub mod runner;
    pub mod study;
    pub mod text;
    pub mod tman;
    pub mod tocs;
}

use std::{
    io::{self, ErrorKind, Write, stdout},
    process::ExitCode,
    thread,
};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use literature::{
    check::Line,
    cyclon, failures, runner,
    study::{Paper, Study},
    text, tman, tocs,
};

/// Runs the papers' experiments, and compares our figures with the published ones.
#[derive(Parser)]
#[command(name = "literature")]
struct Arguments {
    /// Run only the quick set-ups: less than a minute in all
    #[arg(long)]
    quick: bool,
    /// The seed of all random numbers: the same seed gives the same figures
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many set-ups run at the same time [default: as many as there are cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Run only set-ups whose description contains TEXT
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Print one line of JSON for each figure
    #[arg(long)]
    json: bool,
    /// Exit with 1 if a figure is outside its tolerance
    #[arg(long)]
    strict: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(all_within) if arguments.strict && !all_within => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
        // The reader has closed the output, and wants no more.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("literature: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether all figures are within their tolerance.
fn run(arguments: &Arguments) -> io::Result<bool> {
    let chosen = |study: &Study| {
        let described = format!("{}: {}: {}", study.paper.name, study.place, study.set_up);
        let only = arguments.only.as_deref().unwrap_or_default();
        (study.quick || !arguments.quick) && described.contains(only)
    };
    let studies = [
        tocs::studies(),
        failures::studies(),
        cyclon::studies(),
        tman::studies(),
    ];
    let studies: Vec<Study> = studies.into_iter().flatten().filter(chosen).collect();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = arguments.threads.map_or(cores, usize::from);

    let mut out = Output::new(arguments.json, studies.len());
    out.print(text::header)?;
    let mut all = Vec::new();
    runner::run(&studies, arguments.seed, threads, |study, lines| {
        out.study(study, &lines)?;
        all.extend(lines.into_iter().map(|line| (study, line)));
        Ok(())
    })?;
    out.progress.finish_and_clear();
    out.print(|| text::summary(&all))?;
    Ok(all.iter().all(|(_, line)| line.within() != Some(false)))
}

/// Standard output, and on standard error how far it is, if that is a terminal.
struct Output {
    json: bool,
    progress: ProgressBar,
    /// Where the last figures were from.
    last: Option<(Paper, &'static str)>,
}

impl Output {
    fn new(json: bool, studies: usize) -> Self {
        let progress = ProgressBar::new(studies as u64);
        let style = "{wide_bar} {pos} of {len} set-ups, {elapsed}";
        progress.set_style(
            ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        progress.tick();
        Self {
            json,
            progress,
            last: None,
        }
    }

    /// What is for people to read.
    fn print(&self, text: impl FnOnce() -> String) -> io::Result<()> {
        match self.json {
            true => Ok(()),
            false => self.write(&text()),
        }
    }

    fn write(&self, text: &str) -> io::Result<()> {
        self.progress.suspend(|| {
            let mut stdout = stdout().lock();
            stdout.write_all(text.as_bytes())?;
            stdout.flush()
        })
    }

    fn study(&mut self, study: &Study, lines: &[Line]) -> io::Result<()> {
        if self.json {
            self.write(&text::json(study, lines))?;
        } else {
            let mut heading = String::new();
            if self.last.is_none_or(|(paper, _)| paper != study.paper) {
                heading += &text::paper(study.paper);
            }
            if self.last != Some((study.paper, study.place)) {
                heading += &text::place(study);
            }
            self.last = Some((study.paper, study.place));
            self.write(&(heading + &text::set_up(study, lines)))?;
        }
        self.progress.inc(1);
        Ok(())
    }
}
