//! Tests only: what a piece of code has logged.

use std::{
    cell::RefCell,
    fmt::{Debug, Write},
    sync::Once,
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::Interest,
};

thread_local! {
    /// The lines of this thread; `None` while nobody wants them.
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// The lines of this crate that `work` logs on this thread, with their levels in front.
pub(crate) fn logged(work: impl FnOnce()) -> Vec<String> {
    static INSTALLED: Once = Once::new();

    // One for all threads: tracing asks the current thread's subscriber alone whether a line is
    // wanted, and remembers the answer for all threads.
    INSTALLED.call_once(|| {
        tracing::subscriber::set_global_default(Lines).expect("nobody else has set one");
        tracing::callsite::rebuild_interest_cache();
    });
    LINES.set(Some(Vec::new()));
    work();
    LINES.take().unwrap_or_default()
}

struct Lines;

impl Subscriber for Lines {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let ours = metadata.target().starts_with("libp2p_peer_sampling");
        metadata.is_event() && ours && LINES.with_borrow(Option::is_some)
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = event.metadata().level().to_string();
        event.record(&mut Fields(&mut line));
        LINES.with_borrow_mut(|lines| lines.as_mut().map(|lines| lines.push(line)));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Writes ` name=value` for each field, and the message as it is.
struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let written = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
        written.expect("strings take everything");
    }
}
