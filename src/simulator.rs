//! Thousands to millions of the shipping state machine in one process, in virtual time.
