//! Configurations as files: those found in the wild, odd ones, hostile ones, and the examples.

#![expect(clippy::panic, clippy::unwrap_used, reason = "the helpers of tests fail by panicking")]

mod examples;
mod hostile;
mod odd;
mod wild;
