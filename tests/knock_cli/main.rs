//! The client as a person or a script meets it: its command line, its packets, its pads, its exit codes.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "what fails a test panics")]

#[cfg(unix)]
mod commands;
mod hits;
mod key;
#[cfg(target_os = "linux")]
mod lab;
mod options;
#[cfg(target_os = "linux")]
mod outlets;
mod pads;
mod profiles;
mod support;
mod waiting;
#[cfg(target_os = "linux")]
mod ways;
