//! What goes wrong in a world, how often it is to, and how often it did.

/// Which faults happen, each as a probability of the thing it may happen to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// A dial to a live node fails.
    pub(crate) dial: f64,
    /// A request is lost: the substream breaks before it arrives.
    pub(crate) request: f64,
    /// An answer is lost: the request was merged, and nobody learns of it.
    pub(crate) response: f64,
    /// A connection closes while a message travels on it.
    pub(crate) connection: f64,
    /// In a second, a behaviour that is not driven here dials a node, and keeps the connection for
    /// up to a minute.
    pub(crate) sibling: f64,
    /// It keeps the connection for ever.
    pub(crate) sibling_clings: bool,
    /// A dial leads through a relay.
    pub(crate) relayed: f64,
}

/// How often each fault has happened, so that a test can see that it did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lost {
    pub(crate) dials: u32,
    pub(crate) messages: u32,
    pub(crate) connections: u32,
}
