//! Reading configurations in either syntax.

use std::fmt::Write as _;

use divan::Bencher;
use divan::counter::ItemsCount;
use knockd::config;

fn classic(doors: u32) -> String {
    let mut text = String::from("[options]\n    UseSyslog\n");
    for n in 0..doors {
        write!(
            text,
            "\n[door{n}]\n    sequence = {},{}:udp,{}\n    seq_timeout = 15\n    tcpflags = syn\n    start_command = \
             /usr/sbin/iptables -I INPUT -s %IP% -j ACCEPT\n    cmd_timeout = 10\n    stop_command = \
             /usr/sbin/iptables -D INPUT -s %IP% -j ACCEPT\n",
            10_000 + n,
            30_000 + n,
            20_000 + n
        )
        .expect("writing to a string");
    }
    text
}

fn toml(doors: u32) -> String {
    let mut text = String::from("[options]\nusesyslog = true\n");
    for n in 0..doors {
        write!(
            text,
            "\n[door{n}]\nsequence = \"{},{}:udp,{}\"\nseq_timeout = 15\ntcpflags = \"syn\"\nstart_command = \
             \"/usr/sbin/iptables -I INPUT -s %IP% -j ACCEPT\"\ncmd_timeout = 10\nstop_command = \
             \"/usr/sbin/iptables -D INPUT -s %IP% -j ACCEPT\"\n",
            10_000 + n,
            30_000 + n,
            20_000 + n
        )
        .expect("writing to a string");
    }
    text
}

fn measure(bencher: Bencher, name: &str, text: &str, doors: u32) {
    let (config, report) = config::parse(name, text.as_bytes());
    assert_eq!(config.map(|config| config.doors.len()), Some(doors as usize), "{report:?}");
    bencher.counter(ItemsCount::new(doors)).bench(|| config::parse(name, divan::black_box(text.as_bytes())));
}

#[divan::bench(args = [1, 100, 1000])]
fn classic_syntax(bencher: Bencher, doors: u32) {
    measure(bencher, "knockd.conf", &classic(doors), doors);
}

#[divan::bench(args = [1, 100, 1000])]
fn toml_syntax(bencher: Bencher, doors: u32) {
    measure(bencher, "knockd.toml", &toml(doors), doors);
}
