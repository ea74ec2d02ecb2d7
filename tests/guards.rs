//! Beside behaviours that refuse connections.
