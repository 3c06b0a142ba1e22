//! Savefiles written byte by byte, and the daemon that reads them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::Mode;
use rustix::process::umask;
use tempfile::TempDir;

use crate::frames::{SYN, Shot, Transport};

/// 2026-01-02 03:04:05 UTC, when the first packet of a test comes.
const START: u32 = 1_767_323_045;

pub(crate) const KNOCKER: &str = "198.51.100.7";
pub(crate) const KNOCKER_6: &str = "2001:db8::7";
pub(crate) const TARGET: &str = "192.0.2.1";
pub(crate) const TARGET_6: &str = "2001:db8::1";

/// Link types as savefiles number them (<https://www.tcpdump.org/linktypes.html>).
pub(crate) const ETHERNET: u32 = 1;
pub(crate) const RAW: u32 = 101;

/// The bytes of a savefile in libpcap's classic format.
pub(crate) struct Savefile(pub(crate) Vec<u8>);

impl Savefile {
    pub(crate) fn new(link_type: u32) -> Self {
        let mut bytes = Vec::new();
        bytes.extend(0xa1b2_c3d4_u32.to_le_bytes());
        bytes.extend([2_u16, 4].map(u16::to_le_bytes).concat());
        bytes.extend([0, 0, 65_535, link_type].map(u32::to_le_bytes).concat());
        Self(bytes)
    }

    /// Adds a frame that came this many seconds after [`START`].
    pub(crate) fn frame(&mut self, at: f64, frame: &[u8]) {
        let at = Duration::from_secs_f64(at);
        let seconds = START + u32::try_from(at.as_secs()).expect("a span of days");
        let length = u32::try_from(frame.len()).expect("a small frame");
        self.0.extend([seconds, at.subsec_micros(), length, length].map(u32::to_le_bytes).concat());
        self.0.extend(frame);
    }

    /// Adds raw IP packets, each at its time.
    pub(crate) fn with(mut self, hits: &[(f64, Shot)]) -> Self {
        for (at, shot) in hits {
            self.frame(*at, &shot.packet());
        }
        self
    }
}

/// A hit of the knocker's that is unlike every other.
pub(crate) fn tcp(port: u16) -> Shot {
    let (source, target) = (KNOCKER.parse().expect("an address"), TARGET.parse().expect("an address"));
    let transport = Transport::Tcp { flags: SYN, number: u32::from(port) };
    Shot { source, target, source_port: port ^ 0x8000, port, transport }
}

pub(crate) fn udp(port: u16) -> Shot {
    Shot { transport: Transport::Udp, ..tcp(port) }
}

pub(crate) fn over_ipv6(shot: Shot) -> Shot {
    let (source, target) = (KNOCKER_6.parse().expect("an address"), TARGET_6.parse().expect("an address"));
    Shot { source, target, ..shot }
}

/// A directory with a configuration in it.
pub(crate) struct Desk {
    directory: TempDir,
}

pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Desk {
    pub(crate) fn new(config: &str) -> Self {
        // Whatever the user's umask: what others can write to is refused.
        umask(Mode::WGRP | Mode::WOTH);
        let desk = Self { directory: TempDir::new().expect("a temporary directory") };
        fs::write(desk.path("knockd.conf"), config).expect("the configuration");
        desk
    }

    /// A desk with one door on 7000, 8000:udp, 9000 whose commands would leave a file behind.
    pub(crate) fn with_door(more: &str) -> Self {
        Self::new(&format!(
            "[door]\nsequence = 7000,8000:udp,9000\ntcpflags = syn\ncommand = open %IP%\n{more}"
        ))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Reads a savefile with `knockd --read`.
    pub(crate) fn read(&self, savefile: &Savefile) -> Ran {
        fs::write(self.path("knock.pcap"), &savefile.0).expect("the savefile");
        self.knockd(&["--read", "knock.pcap"])
    }

    /// What happens to doors in a savefile that is read to its end, from the hour of each line on.
    #[track_caller]
    pub(crate) fn lines(&self, savefile: &Savefile) -> Vec<String> {
        let ran = self.read(savefile);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
        let (ends, lines): (Vec<_>, Vec<_>) =
            ran.out.lines().partition(|line| line.ends_with("] end of the savefile"));
        assert_eq!(ends.len(), 1, "{}", ran.out);
        let without_date = |line: &str| line.strip_prefix("[2026-01-02 ").expect("a date").to_owned();
        lines.into_iter().map(without_date).collect()
    }

    /// How often the door would have opened.
    #[track_caller]
    pub(crate) fn openings(&self, savefile: &Savefile) -> usize {
        self.lines(savefile).iter().filter(|line| line.contains("OPEN SESAME")).count()
    }

    pub(crate) fn knockd(&self, args: &[&str]) -> Ran {
        let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_knockd"))
            .args(["-c", "knockd.conf"])
            .args(args)
            .current_dir(self.directory.path())
            .env("TZ", "UTC")
            .timeout(Duration::from_secs(60))
            .output()
            .expect("the daemon");
        Ran {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("UTF-8"),
            err: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}
