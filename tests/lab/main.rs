//! Two-host tests: real packets over a real (virtual) cable, real firewalls, real programs.
//!
//! Each test builds its own pair of network namespaces, so all of them can run at once and none touches the
//! machine's own network.  They need root and say loudly when they are skipped for want of it; with
//! `KNOCK_LAB=required` in the environment that is a failure.  See `net` for the other variables.
#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, clippy::panic, reason = "the harness fails a test by panicking")]

#[path = "../commands/blocks.rs"]
mod blocks;
mod both;
mod calls;
mod copies;
mod daemon;
mod doors;
mod firewall;
#[path = "../savefile/frames.rs"]
mod frames;
mod hits;
mod host;
mod journal;
mod keyrings;
mod net;
mod noted;
mod once;
mod own_run;
mod pads;
mod procfs;
mod programs;
mod shuffle;
mod tail;
mod time_of_day;
mod timing;
mod tracer;
mod volley;
mod wait;
mod wire;

mod allow;
mod article;
mod background;
mod batches;
mod client_key;
mod client_ssh;
mod client_wait;
mod clock;
mod commands;
mod confined;
mod counters;
mod crash;
mod deaths;
mod demo;
mod differential;
mod durable;
mod faults;
mod flags;
mod fleet;
mod floods;
mod hardship;
mod hurry;
mod interfaces;
mod interop;
mod keyed;
mod keyed_client;
mod killed;
mod leases;
mod life;
mod links;
mod locks;
mod log;
mod low;
mod manual;
mod nft_set;
mod notify;
mod one_time;
mod people;
mod plenty;
mod races;
mod reload;
mod remnants;
mod repeats;
mod resync;
mod retries;
mod rogue;
mod scans;
mod sequences;
mod shown;
mod spent;
mod stall;
mod state;
mod status;
mod steps;
mod stops;
mod syslog;
mod theft;
mod traffic;
mod trust;
mod unusable;
mod wakes;
