//! A handle as a sampling service in any modes: one that answers at once, and one that waits.

use std::{
    fmt,
    future::{Future, Ready, ready},
    marker::PhantomData,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use crate::{
    sampling::{PeerSampling, mode::Mode, view::View},
    swarm::{
        handle::{state::State, streams::Waiting},
        record::Record,
    },
};

/// The service of [`Handle::local`](crate::Handle::local): a handle in the modes `M`.
pub struct LocalSampling<M>(Service<M>);

/// The service of [`Handle::waiting`](crate::Handle::waiting): a handle that waits for the first
/// peer, in the modes `M`.
pub struct WaitingSampling<M>(Service<M>);

/// What the two have in common.
struct Service<M> {
    state: Arc<Mutex<State>>,
    modes: PhantomData<fn(&M)>,
}

impl<M> Service<M> {
    fn new(state: &Arc<Mutex<State>>) -> Self {
        Self {
            state: Arc::clone(state),
            modes: PhantomData,
        }
    }

    fn view(&self) -> Arc<View<Record>> {
        State::lock(&self.state).view.clone()
    }

    fn broadcast(&self, send: impl FnMut(Record)) -> usize {
        // Not under the lock: `send` may use the handle.
        let view = State::lock(&self.state).hand_out_all();
        view.peers().cloned().for_each(send);
        view.len()
    }
}

impl<M> LocalSampling<M> {
    pub(super) fn new(state: &Arc<Mutex<State>>) -> Self {
        Self(Service::new(state))
    }
}

impl<M: Mode<Record>> PeerSampling for LocalSampling<M> {
    type Peer = Record;
    type Mode = M;
    type Snapshot<'a>
        = Arc<View<Record>>
    where
        Self: 'a;
    type Selecting = Ready<Option<Record>>;

    fn view(&self) -> Arc<View<Record>> {
        self.0.view()
    }

    fn view_len(&self) -> usize {
        self.0.view().len()
    }

    fn select_peer(&mut self, mode: &M) -> Ready<Option<Record>> {
        ready(State::lock(&self.0.state).select_peer(mode))
    }

    fn broadcast(&mut self, send: impl FnMut(Record)) -> usize {
        self.0.broadcast(send)
    }
}

impl<M> WaitingSampling<M> {
    pub(super) fn new(state: &Arc<Mutex<State>>) -> Self {
        Self(Service::new(state))
    }
}

impl<M: Mode<Record> + Clone> PeerSampling for WaitingSampling<M> {
    type Peer = Record;
    type Mode = M;
    type Snapshot<'a>
        = Arc<View<Record>>
    where
        Self: 'a;
    type Selecting = NextPeer<M>;

    fn view(&self) -> Arc<View<Record>> {
        self.0.view()
    }

    fn view_len(&self) -> usize {
        self.0.view().len()
    }

    fn select_peer(&mut self, mode: &M) -> NextPeer<M> {
        NextPeer {
            waiting: Waiting::new(&self.0.state),
            mode: mode.clone(),
        }
    }

    fn broadcast(&mut self, send: impl FnMut(Record)) -> usize {
        self.0.broadcast(send)
    }
}

/// The future of [`WaitingSampling`]: a peer of the view as soon as there is one. `None` when the
/// behaviour is gone. Dropped before it is ready, it hands out nobody.
#[must_use = "futures do nothing unless polled"]
pub struct NextPeer<M> {
    waiting: Waiting,
    mode: M,
}

// The mode is only ever borrowed.
impl<M> Unpin for NextPeer<M> {}

impl<M: Mode<Record>> Future for NextPeer<M> {
    type Output = Option<Record>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Record>> {
        let mode = &self.mode;
        self.waiting.poll(cx, |state, _| match state.closed {
            true => Some(None),
            false => state.select_peer(mode).map(Some),
        })
    }
}

impl<M> Clone for LocalSampling<M> {
    fn clone(&self) -> Self {
        Self::new(&self.0.state)
    }
}

impl<M> Clone for WaitingSampling<M> {
    fn clone(&self) -> Self {
        Self::new(&self.0.state)
    }
}

impl<M> fmt::Debug for LocalSampling<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSampling").finish_non_exhaustive()
    }
}

impl<M> fmt::Debug for WaitingSampling<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitingSampling").finish_non_exhaustive()
    }
}

impl<M> fmt::Debug for NextPeer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextPeer").finish_non_exhaustive()
    }
}
