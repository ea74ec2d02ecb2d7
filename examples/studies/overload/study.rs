//! What a network makes of more work than the machine can do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use super::{
    network::{Failure, Network, Plan, Totals},
    usage::{cpu, memory},
};

/// A time in which other work takes half of the machine.
#[derive(Debug, Clone, Copy)]
pub struct Burst {
    /// From the start of the network.
    pub from: Duration,
    pub until: Duration,
}

/// What a network has done in a stretch of time.
#[derive(Debug, Clone, Copy)]
pub struct Stretch {
    /// From the start of the network to the end of the stretch.
    pub until: Duration,
    pub totals: Totals,
    /// How much of one processor was in use.
    pub processors: f64,
    /// Memory per node, in bytes, at the end.
    pub memory: usize,
}

/// Runs a network, all nodes started at once, and looks at it `steps` times.
///
/// # Errors
///
/// When a node cannot listen.
pub async fn trace(
    plan: Plan,
    step: Duration,
    steps: u32,
    burst: Option<Burst>,
    mut tell: impl FnMut(&Stretch),
) -> Result<Vec<Stretch>, Failure> {
    let network = Network::start(plan).await?;
    let start = Instant::now();
    let busy = Arc::new(AtomicBool::new(false));
    let (mut seen, mut work) = (Vec::new(), Vec::new());
    let (mut before, mut used) = (network.totals(), cpu());
    for number in 1..=steps {
        let until = step * number;
        let is_burst = |at: Duration| burst.is_some_and(|b| at > b.from && at <= b.until);
        if is_burst(until) && work.is_empty() {
            work = other_work(&busy);
        }
        sleep_until(start + until).await;
        if !is_burst(until + step) {
            busy.store(false, Ordering::Relaxed);
            work.drain(..).for_each(|thread| drop(thread.join()));
        }
        let (totals, now_used) = (network.totals(), cpu());
        let stretch = Stretch {
            until: start.elapsed(),
            totals: totals.since(before),
            processors: (now_used - used).as_secs_f64() / step.as_secs_f64(),
            memory: memory() / plan.nodes,
        };
        (before, used) = (totals, now_used);
        tell(&stretch);
        seen.push(stretch);
    }
    network.stop().await?;
    Ok(seen)
}

/// As many busy threads as there are processors, until `busy` is false: each processor then has
/// half of its time for the network.
fn other_work(busy: &Arc<AtomicBool>) -> Vec<thread::JoinHandle<()>> {
    busy.store(true, Ordering::Relaxed);
    let processors = thread::available_parallelism().map_or(1, |count| count.get());
    let work = || {
        let busy = busy.clone();
        thread::spawn(move || {
            while busy.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        })
    };
    (0..processors).map(|_| work()).collect()
}
