mod allow;
mod any_text;
mod directives;
mod keys;
mod manual;
mod nft_sets;
mod oddities;
mod pads;
mod printed;
mod report;
mod scans;
mod toml_files;

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use seqgen::derive::{Form, Label, Mode};
use seqgen::generate::{Pool, PortRange, Protocols, Shape};

use super::*;
use crate::flags::{FlagRule, TcpFlags};

/// The listing of a well-known article on port knocking: static doors to open and to close.
const ARTICLE: &str = "\
[options]
        logfile = /var/log/knockd.log

[openSSH]
        sequence    = 7000,8000,9000
        seq_timeout = 5
        command     = /sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
        tcpflags    = syn

[closeSSH]
        sequence    = 9000,8000,7000
        seq_timeout = 5
        command     = /sbin/iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
        tcpflags    = syn
";

fn good(text: &str) -> Config {
    let (config, report) = parse("t.conf", text.as_bytes());
    config.unwrap_or_else(|| panic!("{}", report.render(false)))
}

fn door(lines: &str) -> Door {
    good(&format!("[d]\ncommand = x\ntcpflags = syn\nsequence = 1,9,5\n{lines}")).doors.remove(0)
}

fn lines(text: &str) -> Vec<String> {
    let (config, report) = parse("t.conf", text.as_bytes());
    assert_eq!(config.is_none(), report.has_errors());
    report.problems().iter().map(|problem| report.line(problem)).collect()
}

/// The last problem of a door that has everything it needs besides `line`, which is the file's fifth.
fn complaint(line: &str) -> String {
    lines(&format!("[d]\ncommand = x\ntcpflags = syn\nsequence = 1,9,5\n{line}\n")).pop().unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "doors hold optional commands")]
fn shell(text: &str) -> Option<Command> {
    Some(Command::Shell(text.to_owned()))
}

#[test]
fn the_articles_listing_loads_unchanged_and_without_a_word() {
    let (config, report) = parse("knockd.conf", ARTICLE.as_bytes());
    assert_eq!(report.problems(), []);
    let config = config.unwrap();
    assert_eq!(config.options.log_file, Some("/var/log/knockd.log".into()));
    assert!(!config.options.use_syslog);
    assert_eq!(config.options.interfaces, None);
    let names: Vec<_> = config.doors.iter().map(|door| door.name.as_str()).collect();
    assert_eq!(names, ["openSSH", "closeSSH"]);
    let open = &config.doors[0];
    assert_eq!(open.trigger, Trigger::Static("7000,8000,9000".parse_sequence()));
    assert_eq!(open.seq_timeout, Duration::from_secs(5));
    assert_eq!(open.flags, FlagRule::SYN);
    assert_eq!(open.start.v4, shell("/sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT"));
    assert_eq!(open.start.v6, open.start.v4);
    assert_eq!(open.stop, None);
}

trait ParseSequence {
    fn parse_sequence(&self) -> seqgen::sequence::Sequence;
}

impl ParseSequence for str {
    fn parse_sequence(&self) -> seqgen::sequence::Sequence {
        seqgen::sequence::Sequence::parse(self).unwrap()
    }
}

#[test]
fn the_start_and_stop_form_loads() {
    let config = good(
        "[options]\n\tUseSyslog\n\tInterface = eth1\n[opencloseSSH]\n\tsequence = 2222:udp,3333:tcp,4444:udp\n\
         seq_timeout = 15\ntcpflags = syn,!ack\nstart_command = open %IP%\ncmd_timeout = 10\nstop_command = close %IP%\n",
    );
    assert!(config.options.use_syslog);
    assert_eq!(config.options.interfaces, Some(vec!["eth1".to_owned()]));
    let door = &config.doors[0];
    assert_eq!(door.trigger, Trigger::Static("2222:udp,3333,4444:udp".parse_sequence()));
    assert_eq!(door.start.v4, shell("open %IP%"));
    let stop = door.stop.as_ref().unwrap();
    assert_eq!(stop.after, Duration::from_secs(10));
    assert_eq!(stop.command.v4, shell("close %IP%"));
}

#[test]
fn keys_take_any_case_and_lines_any_blanks() {
    let config = good(
        "\r\n  # a comment\r\n[OPTIONS]\r\nUSESYSLOG\r\n\r\n[ a b ]\r\nSeQuEnCe=1 , 2\r\nCOMMAND\t=\t x y \r\nTcpFlags = SYN\r\n",
    );
    assert!(config.options.use_syslog);
    assert_eq!(config.doors[0].name, "a b");
    assert_eq!(config.doors[0].start.v4, shell("x y"));
}

#[test]
fn commands_are_taken_to_the_end_of_the_line() {
    let text = r#"sh -c "a = 'b'; #no comment" && echo [x] # %IP% | tee $(date)"#;
    let config = good(&format!("[d]\nsequence = 1,9,5\ntcpflags = syn\nstart_command = {text}\n"));
    assert_eq!(config.doors[0].start.v4, shell(text));
}

#[test]
fn an_absent_ipv6_command_falls_back_and_an_empty_one_does_nothing() {
    assert_eq!(door("").start.v6, shell("x"));
    assert_eq!(door("command_6 = y\n").start.v6, shell("y"));
    assert_eq!(door("start_command_6 =\n").start.v6, None);
    let stop = door("stop_command = s\nstop_command_6 =").stop.unwrap();
    assert_eq!((stop.command.v4, stop.command.v6), (shell("s"), None));
    assert_eq!(door("stop_command_6 = s\n").stop.unwrap().command.v4, None);
}

#[test]
fn defaults_are_those_of_knockd() {
    let door = door("stop_command = s\n");
    assert_eq!(door.seq_timeout, Duration::from_secs(25));
    assert_eq!(door.stop.unwrap().after, Duration::from_secs(10));
}

#[test]
fn spans_of_time() {
    for (text, seconds) in [("10", 10), ("10s", 10), ("10m", 600), ("2h", 7200), ("3 M", 180)] {
        assert_eq!(door(&format!("timeout = {text}\n")).seq_timeout, Duration::from_secs(seconds), "{text}");
    }
    for text in ["ten", "-1", "1.5", "10d", "", "m"] {
        let expected =
            format!("t.conf:5:{}: `{text}` is no span of time", if text.is_empty() { 14 } else { 15 });
        let said = complaint(&format!("cmd_timeout = {text}"));
        assert!(said.starts_with(&expected), "{said}");
    }
    assert!(complaint("timeout = 99999999999999999999").contains("longer than ten years"));
    assert!(complaint("timeout = 0").starts_with("t.conf:5:11: no sequence can be completed in 0 seconds"));
}

#[test]
fn tcp_flags() {
    let flags =
        |text: &str| good(&format!("[d]\nsequence = 1,9,5\ncommand = x\ntcpflags = {text}\n")).doors[0].flags;
    assert_eq!(flags("syn"), FlagRule::SYN);
    assert_eq!(flags("Any"), FlagRule::ANY);
    let rule = FlagRule::new(TcpFlags::FIN.with(TcpFlags::URG), TcpFlags::ACK.with(TcpFlags::RST)).unwrap();
    assert_eq!(flags("fin, URG,!ack , ! rst"), rule);
    let psh = FlagRule::new(TcpFlags::PSH, TcpFlags::default()).unwrap();
    assert_eq!(flags("psh"), psh);
    let error =
        |text: &str| lines(&format!("[d]\nsequence = 1,9,5\ncommand = x\ntcpflags = {text}\n")).remove(0);
    assert!(error("syn,fim").starts_with("t.conf:4:16: unknown TCP flag `fim`"));
    assert!(error("syn,!syn").starts_with("t.conf:4:16: `syn` cannot be both set and clear"));
    assert!(error("").starts_with("t.conf:4:11: unknown TCP flag ``"));
}

#[test]
fn a_door_without_tcpflags_is_taken_as_syn_and_says_so() {
    let text = "[d]\nsequence = 1,9,5\ncommand = x\n";
    assert_eq!(good(text).doors[0].flags, FlagRule::SYN);
    assert!(
        lines(text)[0].starts_with("t.conf:1:2: door [d] has no tcpflags and is taken as `tcpflags = syn`")
    );
}

#[test]
fn target_is_an_address() {
    assert_eq!(door("target = 198.51.100.7").target, Some("198.51.100.7".parse().unwrap()));
    assert_eq!(door("target = 2001:db8::7").target, Some("2001:db8::7".parse().unwrap()));
    assert!(complaint("target = router").starts_with("t.conf:5:10: `router` is no IP address"));
}

#[test]
fn interfaces_may_be_a_list() {
    let options = good("[options]\ninterface = eth0, wlan0,eth0\n[d]\nsequence=1\ncommand=x\n").options;
    assert_eq!(options.interfaces, Some(vec!["eth0".to_owned(), "wlan0".to_owned()]));
    assert!(
        lines("[options]\ninterface = eth0,,lo\n")[0].starts_with("t.conf:2:18: this is no interface name")
    );
}

#[test]
fn sequence_and_pad_exclude_each_other() {
    assert!(complaint("one_time_sequences = p").starts_with("t.conf:5:1: a door takes either"));
}

#[test]
fn a_bare_key_needs_a_value() {
    assert!(complaint("seq_timeout").starts_with("t.conf:5:1: `seq_timeout` needs a value"));
}

#[test]
fn bytes_that_are_no_text_are_refused_where_they_stand() {
    let (config, report) = parse("t.conf", b"[options]\n# caf\xe9\n");
    assert!(config.is_none());
    assert!(report.line(&report.problems()[0]).starts_with("t.conf:2:6: a byte that is no UTF-8 text"));
}
