//! From the start of the client to its last packet.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pcap::{Active, Capture};

use crate::net::{Lab, SERVER};
use crate::{Row, generated, nothing, programs, spread};

const ROUNDS: usize = 50;
const PORTS: [&str; 5] = ["7000", "8000", "9000", "7001", "8001"];

/// Runs the client here, and returns when its last packet was on the wire.
fn knock(wire: &mut Capture<Active>, program: &Path, args: &[&str]) -> Duration {
    let mut command = Command::new(program);
    command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    let start = SystemTime::now();
    assert!(command.status().expect("the client").success(), "the client failed");
    let mut last = start;
    for _ in PORTS {
        let header = wire.next_packet().expect("a packet of the knock").header;
        let seconds = Duration::from_secs(header.ts.tv_sec.try_into().expect("a time after 1970"));
        let micros = Duration::from_micros(header.ts.tv_usec.try_into().expect("a time after 1970"));
        last = UNIX_EPOCH + seconds + micros;
    }
    last.duration_since(start).unwrap_or_default()
}

/// How long knocks with given ports and with a pad's take.
pub(crate) fn knocks(lab: &Lab) -> Vec<Row> {
    let pad = generated(lab, "client.pad", 2 * u32::try_from(ROUNDS).expect("a small number"));
    let pad = pad.to_str().expect("a path in UTF-8");
    let ports = [&["-d", "0", SERVER], &PORTS[..]].concat();
    let (ours, classic) = (programs::knock(), programs::peer().map(|peer| peer.knock));
    let [mut plain, mut of_classic, mut of_pad] = [const { Vec::new() }; 3];
    lab.client.within(|| {
        let mut wire = Capture::from_device("eth0")
            .and_then(|wire| wire.immediate_mode(true).open())
            .expect("the client's eth0");
        wire.filter("ip and tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn", true).expect("a filter");
        for _ in 0..ROUNDS {
            plain.push(knock(&mut wire, &ours, &ports));
            if let Some(program) = &classic {
                of_classic.push(knock(&mut wire, program, &ports));
            }
            of_pad.push(knock(&mut wire, &ours, &["-d", "0", "-f", pad, SERVER]));
        }
    });
    vec![
        Row::new(
            "`knock -d 0` from its start to the last of five packets",
            "< 5 ms",
            spread(plain),
            spread(of_classic),
        ),
        Row::new("the same with a pad, a line durably struck first", "–", spread(of_pad), nothing()),
    ]
}
