//! The streams and futures of a handle.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use futures::Stream;
use thiserror::Error;

use crate::{
    sampling::mode::selection::Selection,
    swarm::{handle::state::State, record::Record},
};

/// The id of a stream or future that waits for a change, as long as that is there.
pub(super) struct Waiting {
    state: Arc<Mutex<State>>,
    pub(super) id: u64,
}

impl Waiting {
    pub(super) fn new(shared: &Arc<Mutex<State>>) -> Self {
        let mut state = State::lock(shared);
        let id = state.next_id;
        state.next_id += 1;
        let state = Arc::clone(shared);
        Self { state, id }
    }

    /// What `ready` finds, now or after some change.
    pub(super) fn poll<T>(
        &self,
        cx: &Context<'_>,
        ready: impl FnOnce(&mut State, u64) -> Option<T>,
    ) -> Poll<T> {
        let state = &mut *State::lock(&self.state);
        match ready(state, self.id) {
            Some(ready) => Poll::Ready(ready),
            None => {
                state.waiting.insert(self.id, cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = State::lock(&self.state);
        state.streams.remove(&self.id);
        let waker = state.waiting.remove(&self.id);
        // A waker may do anything when it is dropped.
        drop(state);
        drop(waker);
    }
}

/// The stream of [`Handle::samples`](crate::Handle::samples).
#[must_use = "streams do nothing unless polled"]
pub struct Samples(pub(super) Waiting);

impl Stream for Samples {
    type Item = Record;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Record>> {
        self.0.poll(cx, |state, _| match state.closed {
            true => Some(None),
            false => state.select_peer(&Selection::Uniform).map(Some),
        })
    }
}

impl fmt::Debug for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Samples").finish_non_exhaustive()
    }
}

/// The stream of [`Handle::fresh_samples`](crate::Handle::fresh_samples).
#[must_use = "streams do nothing unless polled"]
pub struct FreshSamples(pub(super) Waiting);

impl Stream for FreshSamples {
    type Item = Record;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Record>> {
        self.0.poll(cx, |state, id| {
            let stream = state.streams.get_mut(&id).filter(|_| !state.closed);
            let Some(stream) = stream else {
                return Some(None);
            };
            let next = match state.given {
                Some(_) => stream.given.pop_front(),
                None => stream.sampler.select_new(&state.view, &mut state.rng),
            };
            next.map(Some)
        })
    }
}

impl fmt::Debug for FreshSamples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FreshSamples").finish_non_exhaustive()
    }
}

/// The future of [`Handle::joined`](crate::Handle::joined).
#[must_use = "futures do nothing unless polled"]
pub struct Joined(pub(super) Waiting);

impl Future for Joined {
    type Output = Result<(), BehaviourGone>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx, |state, _| match state.closed {
            true => Some(Err(BehaviourGone)),
            false => state.is_joined().then_some(Ok(())),
        })
    }
}

impl fmt::Debug for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined").finish_non_exhaustive()
    }
}

/// The behaviour was dropped, with its swarm for example: nothing happens any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the behaviour is gone")]
pub struct BehaviourGone;
