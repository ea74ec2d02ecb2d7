//! Carries out the studies, several at a time.

use std::{
    io,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use crate::literature::{check::Line, study::Study};

/// Carries out all `studies` on so many threads, and hands over what comes of each, in their order, as
/// soon as it is there.
///
/// # Errors
///
/// The first of `done`; after it, no study is begun.
pub fn run<'a>(
    studies: &'a [Study],
    seed: u64,
    threads: usize,
    mut done: impl FnMut(&'a Study, Vec<Line>) -> io::Result<()>,
) -> io::Result<()> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..threads {
            let (next, sender) = (&next, sender.clone());
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(study) = studies.get(number) else {
                        return;
                    };
                    if sender.send((number, (study.run)(seed))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut waiting: Vec<Option<Vec<Line>>> = studies.iter().map(|_| None).collect();
        let mut shown = 0;
        for (number, lines) in receiver {
            waiting[number] = Some(lines);
            while let Some(lines) = waiting.get_mut(shown).and_then(Option::take) {
                let handed_over = done(&studies[shown], lines);
                if handed_over.is_err() {
                    next.store(studies.len(), Ordering::Relaxed);
                    return handed_over;
                }
                shown += 1;
            }
        }
        Ok(())
    })
}
