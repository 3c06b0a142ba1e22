//! Small configurations, each with one thing that is found in the wild.

use knockd::config::{Report, Severity, parse};

/// What comes of a file.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    /// So many doors, and warnings in these lines.
    Accepted(usize, &'static [usize]),
    /// Errors in these lines.
    Refused(&'static [usize]),
}

use Expected::{Accepted, Refused};

const ODD: &[(&str, &str, Expected)] = &[
    (
        "a byte order mark",
        "\u{feff}[options]\nUseSyslog\n[door]\nsequence = 7000,8000\ntcpflags = syn\ncommand = /bin/true %IP%\n",
        Accepted(1, &[1]),
    ),
    (
        "the line ends of Windows",
        "[options]\r\n\tUseSyslog\r\n\r\n[door]\r\n\tsequence = 7000,9000\r\n\ttcpflags = syn\r\n\tcommand = x\r\n",
        Accepted(1, &[]),
    ),
    (
        "blanks of every kind, no final newline",
        "\n  [door]  \n\t \n\u{c}\tsequence\t=\t7000 , 8000:udp ,9000:TCP\n   seq_timeout=5 \n\ttcpflags   = syn,!ack\n\tcommand=x  %IP%\t\n# end\n  Cmd_Timeout = 20",
        Accepted(1, &[]),
    ),
    (
        "a blank among flags",
        "[door]\nsequence = 7000,9000\ntcpflags = syn, ack\ncommand = x\n",
        Accepted(1, &[3, 3]),
    ),
    (
        "names in any case",
        "[Options]\nUSESYSLOG\nlogFile = /var/log/knockd.log\n[Door]\nSEQUENCE = 7000,9000\nTcpFlags = SYN\nCOMMAND = x\n",
        Accepted(1, &[1]),
    ),
    (
        "comments behind values",
        "[options]\nUseSyslog # to syslog\n[door]\nsequence = 7000,8000 # two\nseq_timeout = 5 # s\ntcpflags = syn # only\ncommand = x # sh\n",
        Accepted(1, &[2, 4, 5, 6]),
    ),
    (
        "a value for UseSyslog",
        "[options]\nUseSyslog = yes\n[door]\nsequence = 7000,9000\ntcpflags = syn\ncommand = /bin/true %IP%\n",
        Accepted(1, &[2]),
    ),
    (
        "a directive twice",
        "[door]\nsequence = 7000,9000\nsequence = 8000,9000\ntcpflags = syn\ncommand = /bin/true %IP%\n",
        Accepted(1, &[2]),
    ),
    (
        "options twice",
        "[options]\nlogfile = /a\n[door]\nsequence = 7000,9000\ntcpflags = syn\ncommand = /bin/true %IP%\n[options]\nlogfile = /b\nUseSyslog\n",
        Accepted(1, &[2, 7]),
    ),
    (
        "two doors of one name",
        "[door]\nsequence = 7000,9000\ntcpflags = syn\ncommand = /bin/true %IP%\n[door]\nsequence = 8000,9000\ntcpflags = syn\ncommand = /bin/true %IP%\n",
        Accepted(2, &[5]),
    ),
    (
        "two doors of one sequence",
        "[one]\nsequence = 7000,8000\ntcpflags = syn\ncommand = /bin/true %IP%\n[two]\nsequence = 7000:tcp, 8000\ntcpflags = syn\ncommand = /bin/true %IP%\n",
        Accepted(2, &[5]),
    ),
    (
        "flags that no client sends",
        "[door]\nsequence = 2222:udp,3333:tcp\ntcpflags = syn,ack\ncommand = x\n",
        Accepted(1, &[3]),
    ),
    ("a sequence of one hit", "[door]\nsequence = 7000\ntcpflags = syn\ncommand = x\n", Accepted(1, &[2])),
    ("ports in a row", "[door]\nsequence = 7002,7001,7000\ntcpflags = syn\ncommand = x\n", Accepted(1, &[2])),
    (
        "a guard that is off",
        "[options]\nscan_guard = off\n[door]\nsequence = 7002,7001,7000\ntcpflags = syn\ncommand = x\n",
        Accepted(1, &[2]),
    ),
    (
        "an empty interface in quotes",
        "[options]\ninterface = \"\"\n[door]\nsequence = 7000,9000\ntcpflags = syn\ncommand = /bin/true %IP%\n",
        Accepted(1, &[2]),
    ),
    (
        "a relative command",
        "[door]\nsequence = 7000,9000\ntcpflags = syn\ncommand = ./open %IP%\n",
        Accepted(1, &[4]),
    ),
    (
        "names with blanks and brackets",
        "[open the front door]\nsequence = 7000,9000\ntcpflags = syn\ncommand = /bin/true %IP%\n[a-b_c.d [e]]\nsequence = 8000,9000\ntcpflags = syn\ncommand = /bin/true %IP%\n",
        Accepted(2, &[]),
    ),
    (
        "IPv6 commands that do nothing",
        "[door]\nsequence = 7000,9000\ntcpflags = syn\nstart_command = x\nstart_command_6 =\nstop_command = y\nstop_command_6 =\n",
        Accepted(1, &[]),
    ),
    (
        "every other name",
        "[options]\nPidFile = /run/k.pid\n[door]\nsequence = 7000,9000\ntimeout = 5\ntarget = 192.0.2.1\ntcpflags = syn\ncommand = x\ncommand_6 = y\ncmd_timeout = 5\nstop_command = z\nstop_command_6 = z\n",
        Accepted(1, &[]),
    ),
    (
        "a comment behind a section",
        "[door] # front\nsequence = 7000,9000\ntcpflags = syn\ncommand = /bin/true %IP%\n",
        Accepted(1, &[1]),
    ),
    ("no door at all", "# nothing yet\n[options]\n", Accepted(0, &[1])),
    ("an empty file", "", Accepted(0, &[1])),
    (
        "a no-break space",
        "[door]\nsequence = 7000,\u{a0}8000\ntcpflags = syn\ncommand = /bin/true %IP%\n",
        Refused(&[2]),
    ),
    (
        "a typographic hyphen",
        "[door]\nsequence = 7000,9000\nseq_timeout = \u{2010}5\ntcpflags = syn\ncommand = /bin/true %IP%\n",
        Refused(&[3]),
    ),
    (
        "placeholders",
        "[door]\nsequence = ${first},$second\ntcpflags = syn\ncommand = /bin/true %IP%\n",
        Refused(&[2]),
    ),
    (
        "lines that continue",
        "[door]\nsequence = 7000,9000\ntcpflags = syn\ncommand = x \\\n    %IP% \\\n    again\n",
        Refused(&[5]),
    ),
    (
        "lines before a section",
        "sequence = 7000,9000\ncommand = x\n[door]\nsequence = 7000,9000\ntcpflags = syn\ncommand = /bin/true %IP%\n",
        Refused(&[1]),
    ),
    (
        "an unknown directive",
        "[door]\nsequence = 7000,9000\nprotocol = tcp\ntcpflags = syn\ncommand = /bin/true %IP%\n",
        Refused(&[3]),
    ),
    (
        "misplaced directives",
        "[options]\nsequence = 7000,9000\n[door]\nsequence = 7000,9000\nlogfile = /x\ntcpflags = syn\ncommand = /bin/true %IP%\n",
        Refused(&[2, 5]),
    ),
    (
        "an open bracket",
        "[door\nsequence = 7000,9000\ntcpflags = syn\ncommand = /bin/true %IP%\n",
        Refused(&[1, 2]),
    ),
    (
        "a directive without its value",
        "[door]\nsequence\ntcpflags = syn\ncommand = /bin/true %IP%\n",
        Refused(&[2]),
    ),
    (
        "the line ends of old Macs",
        "[door]\rsequence = 7000,9000\rtcpflags = syn\rcommand = x\r",
        Refused(&[1]),
    ),
];

fn lines(severity: Severity, report: &Report) -> Vec<usize> {
    report
        .problems()
        .iter()
        .filter(|problem| problem.severity == severity)
        .map(|problem| problem.line)
        .collect()
}

#[test]
fn odd_files_are_accepted_with_a_warning_or_refused_in_the_right_line() {
    for (what, text, expected) in ODD {
        let (config, report) = parse("knockd.conf", text.as_bytes());
        match (config, expected) {
            (Some(config), Accepted(doors, warnings)) => {
                assert_eq!(config.doors.len(), *doors, "{what}");
                assert_eq!(lines(Severity::Warning, &report), *warnings, "{what}: {}", report.render(false));
            }
            (None, Refused(errors)) => {
                assert_eq!(lines(Severity::Error, &report), *errors, "{what}: {}", report.render(false));
            }
            (other, _) => panic!("{what}: {other:?}"),
        }
    }
}
