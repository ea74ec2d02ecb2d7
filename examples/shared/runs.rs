//! Many simulations side by side: each on one thread, whichever is free.

use std::{
    num::NonZero,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use indicatif::{ProgressBar, ProgressStyle};

/// As many threads as were asked for, or as there are processors.
pub fn threads(asked: Option<u16>) -> usize {
    let processors = || thread::available_parallelism().map_or(1, NonZero::get);
    asked.map_or_else(processors, usize::from)
}

/// What `work` makes of all these jobs, in their order. They are begun in that order too.
///
/// How far it is, is shown on standard error, if that is a terminal.
///
/// # Errors
///
/// One of those of the jobs that failed.
pub fn side_by_side<J: Sync, D: Send, E: Send>(
    jobs: &[J],
    threads: usize,
    work: impl Fn(&J) -> Result<D, E> + Sync,
) -> Result<Vec<D>, E> {
    let progress = progress(jobs.len());
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(number) else {
                return Ok(done);
            };
            done.push((number, work(job)?));
            progress.inc(1);
        }
    };
    let mut done: Vec<(usize, D)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.min(jobs.len()))
            .map(|_| scope.spawn(worker))
            .collect();
        let finished = workers.into_iter().map(|worker| {
            let done = worker.join();
            done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        let finished: Result<Vec<_>, E> = finished.collect();
        finished.map(|done| done.into_iter().flatten().collect())
    })?;
    progress.finish_and_clear();
    done.sort_by_key(|(number, _)| *number);
    Ok(done.into_iter().map(|(_, done)| done).collect())
}

fn progress(runs: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} run {pos} of {len}, {eta} left");
    let bar = ProgressBar::new(runs as u64);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.tick();
    bar
}
