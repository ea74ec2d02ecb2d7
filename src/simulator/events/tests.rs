//! Tests of the event-based driver, by topic.

mod riders;
mod samplers;
