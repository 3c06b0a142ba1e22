//! `knockd --read`: savefiles of every link type, with their packets' own times, and nothing done.
//!
//! Needs no privilege; the savefiles are made here.
#![expect(clippy::expect_used, clippy::panic, reason = "the helpers of tests fail by panicking")]

mod frames;
mod savefile;

mod doors;
mod formats;
mod links;
mod refusals;
mod story;
mod times;
