//! Runs the studies, several at a time.

use std::{
    io,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use crate::literature::{check::Line, study::Study};

/// Runs all `studies` on so many threads. Hands over the results in the order of the studies, each
/// as soon as it is there.
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
                // After an error nobody receives any more, and nobody goes on.
                done(&studies[shown], lines)?;
                shown += 1;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::{io::ErrorKind, sync::Arc, time::Duration};

    use super::*;
    use crate::literature::tocs;

    fn studies(done: &Arc<AtomicUsize>) -> Vec<Study> {
        let study = |number: u64| {
            let done = Arc::clone(done);
            let run = move |seed: u64| {
                // The earlier ones take longer.
                thread::sleep(Duration::from_millis(20_u64.saturating_sub(5 * number)));
                done.fetch_add(1, Ordering::Relaxed);
                vec![Line::unlisted("", (10 * seed + number) as f64)]
            };
            Study {
                paper: tocs::PAPER,
                place: "",
                set_up: number.to_string(),
                quick: true,
                run: Box::new(run),
            }
        };
        (0..20).map(study).collect()
    }

    #[test]
    fn the_order_is_kept() {
        for threads in [1, 3, 30] {
            let studies = studies(&Arc::default());
            let mut seen = Vec::new();
            let done = run(&studies, 7, threads, |study, lines| {
                seen.push((study.set_up.clone(), lines[0].ours));
                Ok(())
            });
            let expected = (0..20).map(|n| (n.to_string(), f64::from(70 + n)));
            assert!(done.is_ok() && expected.eq(seen), "{threads} threads");
        }
    }

    #[test]
    fn nothing_is_begun_after_an_error() {
        let count = Arc::default();
        let error = run(&studies(&count), 7, 2, |_, _| {
            Err(ErrorKind::BrokenPipe.into())
        });
        assert!(error.is_err_and(|error| error.kind() == ErrorKind::BrokenPipe));
        assert!(count.load(Ordering::Relaxed) < 10);
    }
}
