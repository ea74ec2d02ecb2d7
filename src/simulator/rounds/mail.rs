//! What the threads of the round-based driver give each other, and where they wait for each other.

use std::{
    hint, mem,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    gossip::ExchangeId,
    sampling::sampler::message::{Request, Response},
    simulator::host::Host,
};

/// A request on its way.
#[derive(Debug)]
pub(super) struct Asked {
    /// Its place in the order of the round.
    pub(super) turn: usize,
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) id: ExchangeId,
    pub(super) request: Request<Host>,
    /// How many exchanges its sender has tried in this round.
    pub(super) number: u32,
    pub(super) response_lost: bool,
}

/// The answer to it; `None` when it is lost.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) turn: usize,
    pub(super) to: u32,
    pub(super) id: ExchangeId,
    pub(super) number: u32,
    pub(super) response: Option<Response<Host>>,
}

/// What workers give each other, by sender and receiver.
#[derive(Debug)]
pub(super) struct Mail {
    pub(super) threads: usize,
    pub(super) asked: Vec<Mutex<Vec<Asked>>>,
    pub(super) answered: Vec<Mutex<Vec<Answered>>>,
    /// How many exchanges each worker knows of that are not over.
    pub(super) open: Vec<AtomicUsize>,
}

impl Mail {
    pub(super) fn new(threads: usize) -> Self {
        let cells = threads * threads;
        Self {
            threads,
            asked: (0..cells).map(|_| Mutex::default()).collect(),
            answered: (0..cells).map(|_| Mutex::default()).collect(),
            open: (0..threads).map(|_| AtomicUsize::new(0)).collect(),
        }
    }
}

/// Where workers wait for each other. The one of the standard library puts those who wait to sleep,
/// which takes longer than what there is to wait for.
pub(super) struct Barrier {
    workers: usize,
    arrived: AtomicUsize,
    passed: AtomicUsize,
    /// Whether somebody is never going to come: an overlay has panicked.
    broken: AtomicBool,
}

/// Breaks the barrier when the thread that holds it panics, so that nobody waits for it for ever.
pub(super) struct Worked<'a>(pub(super) &'a Barrier);

impl Drop for Worked<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.broken.store(true, Ordering::Release);
        }
    }
}

impl Barrier {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            workers,
            arrived: AtomicUsize::new(0),
            passed: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        }
    }

    /// # Panics
    ///
    /// When another thread has, that was to come here.
    pub(super) fn wait(&self) {
        let passed = self.passed.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.workers {
            self.arrived.store(0, Ordering::Relaxed);
            self.passed.store(passed.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut spins = 0u32;
        while self.passed.load(Ordering::Acquire) == passed {
            let broken = self.broken.load(Ordering::Acquire);
            assert!(!broken, "another thread of this simulation has panicked");
            spins = spins.saturating_add(1);
            // The others may be waiting for this very core.
            match spins < 2_000 {
                true => hint::spin_loop(),
                false => thread::yield_now(),
            }
        }
    }
}

/// Puts what `from` has for the others where they find it, and takes the emptied storage.
pub(super) fn post<T>(cells: &[Mutex<Vec<T>>], threads: usize, from: usize, out: &mut [Vec<T>]) {
    for (to, letters) in out.iter_mut().enumerate() {
        let cell = &cells[from * threads + to];
        mem::swap(
            letters,
            &mut cell.lock().unwrap_or_else(PoisonError::into_inner),
        );
    }
}

/// Takes what the others have for `to`, in the order of the turns.
pub(super) fn collect<T>(
    cells: &[Mutex<Vec<T>>],
    threads: usize,
    to: usize,
    inbox: &mut Vec<T>,
    turn: impl Fn(&T) -> (usize, ExchangeId),
) {
    for from in 0..threads {
        let cell = &cells[from * threads + to];
        inbox.append(&mut cell.lock().unwrap_or_else(PoisonError::into_inner));
    }
    inbox.sort_unstable_by_key(turn);
}
