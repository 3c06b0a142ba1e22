//! What is printed reads back as it was.

use ipnet::IpNet;
use proptest::prelude::*;
use seqgen::sequence::{Protocol, Sequence, Step};

use super::*;
use crate::flags::TcpFlags;
use crate::networks::Networks;

/// Commands, paths and names as they can stand on a line: no blanks around them, none of the line ends within.
fn on_a_line() -> impl Strategy<Value = String> {
    "[!-~äß门\u{a0}\u{1}]([ -~äß门\u{a0}\t\u{1}]{0,30}[!-~äß门\u{a0}])?"
}

fn path() -> impl Strategy<Value = std::path::PathBuf> {
    on_a_line().prop_map(Into::into)
}

fn any_text() -> impl Strategy<Value = String> {
    "([ -~äß门\u{a0}\t\n\r\u{1}\u{7f}'\"\\\\]|\u{feff}){1,40}"
}

fn command(classic: bool) -> BoxedStrategy<Command> {
    // In a file that is not called *.toml, a command that begins like an array is evidence of TOML.
    let line =
        on_a_line().prop_filter("no array", |line| !line.starts_with("[\"") && !line.starts_with("['"));
    if classic {
        return line.prop_map(Command::Shell).boxed();
    }
    let words =
        (any_text(), prop::collection::vec("|[ -~\n]{1,9}", 0..4)).prop_map(|(program, mut words)| {
            words.insert(0, program);
            Command::Argv(Argv::new(words).unwrap())
        });
    prop_oneof![any_text().prop_map(Command::Shell), words].boxed()
}

fn commands(classic: bool) -> impl Strategy<Value = PerFamily<Option<Command>>> {
    (proptest::option::of(command(classic)), proptest::option::of(command(classic)))
        .prop_filter("at least one", |(v4, v6)| v4.is_some() || v6.is_some())
        .prop_map(|(v4, v6)| PerFamily { v4, v6 })
}

fn sequence() -> impl Strategy<Value = Sequence> {
    let protocol = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp)];
    let step = (1..=u16::MAX, protocol)
        .prop_map(|(port, protocol)| Step { port: port.try_into().unwrap(), protocol });
    prop::collection::vec(step, 1..=32).prop_map(|steps| Sequence::new(steps).unwrap())
}

fn flags() -> impl Strategy<Value = FlagRule> {
    (0u8..64, 0u8..64).prop_map(|(set, clear)| {
        FlagRule::new(TcpFlags::from_bits(set & !clear), TcpFlags::from_bits(clear)).unwrap()
    })
}

/// Networks that packets can come from.
fn networks() -> impl Strategy<Value = Networks> {
    let v4 =
        (1..=u32::MAX, 0u8..=32).prop_map(|(bits, length)| IpNet::new(bits.to_be_bytes().into(), length));
    let v6 = (1 << 64..=u128::MAX, 0u8..=128)
        .prop_map(|(bits, length)| IpNet::new(bits.to_be_bytes().into(), length));
    let network = prop_oneof![v4, v6].prop_map(|network| network.unwrap().trunc());
    prop::collection::vec(network, 1..4).prop_map(|networks| Networks::of(&networks).unwrap())
}

/// The number keeps keys apart.
fn key(number: usize) -> impl Strategy<Value = Trigger> {
    let label = proptest::option::of(
        "([!-~ä门]([ -~ä门]{0,9}[!-~ä门])?)?".prop_map(|text| Label::new(&text).unwrap()),
    );
    let counting = ((1u16..=1000).prop_map(|window| window.try_into().unwrap()), 0u16..=1000)
        .prop_map(|(window, resync)| (Mode::Counter, window, resync));
    // What time is counted by leaves the other two as they are.
    let timing = (1u32..=3600)
        .prop_map(|step| (Mode::Time { step: step.try_into().unwrap() }, 5.try_into().unwrap(), 100));
    let protocols = prop::sample::select(vec![Protocols::Tcp, Protocols::Udp, Protocols::Mixed]);
    let range = (any::<NonZeroU16>(), 1000u16..9000)
        .prop_map(|(first, more)| PortRange::new(first, first.saturating_add(more)).unwrap());
    let form = (3..=32usize, protocols, prop::collection::vec(range, 1..4)).prop_filter_map(
        "no sequence looks like that",
        |(length, protocols, ranges)| {
            Form::new(Shape { length, protocols, pool: Pool::new(&ranges, &[]) }).ok()
        },
    );
    (path(), label, prop_oneof![counting, timing], any::<bool>(), form).prop_map(
        move |(path, label, (mode, window, resync), bind, form)| {
            let path = format!("{}{number}", path.display()).into();
            Trigger::Key(KeySource { path, label, mode, bind, form: Arc::new(form), window, resync })
        },
    )
}

fn nft_set(ip: Ip) -> impl Strategy<Value = NftSet> {
    let name = || "[A-Za-z_.][A-Za-z0-9_./-]{0,9}";
    let families = NftSet::FAMILIES.iter().map(|(name, _)| *name);
    let other = if ip == Ip::V4 { "ip6" } else { "ip" };
    let families: Vec<_> = families.filter(|name| *name != other).collect();
    (prop::sample::select(families), name(), name()).prop_map(move |(family, table, name)| {
        let directive = if ip == Ip::V4 { "nft_set" } else { "nft_set_6" };
        let set = door(&format!("{directive} = {family} {table} {name}\ncommand =\n")).nft_set;
        set.v4.or(set.v6).unwrap()
    })
}

/// Sets in the place of commands.
fn with_sets(mut door: Door, v4: Option<NftSet>, v6: Option<NftSet>) -> Door {
    if v4.is_none() && v6.is_none() || v4 == v6 {
        return door;
    }
    let none = || PerFamily { v4: None, v6: None };
    let after = door.stop.as_ref().map_or(7, |stop| stop.after.as_secs().max(1));
    let stop = door.stop.get_or_insert_with(|| Stop { after: Duration::ZERO, command: none() });
    stop.after = Duration::from_secs(after);
    for commands in [&mut door.start, &mut stop.command] {
        commands.v4 = commands.v4.take().filter(|_| v4.is_none());
        commands.v6 = commands.v6.take().filter(|_| v6.is_none());
    }
    if door.reknock == Reknock::Run {
        door.reknock = Reknock::Extend;
    }
    door.nft_set = PerFamily { v4, v6 };
    door
}

/// The number keeps pads and names apart.
fn any_door(classic: bool, number: usize) -> impl Strategy<Value = Door> {
    let window = (1u16..=1000).prop_map(|lines| lines.try_into().unwrap());
    let asks_nobody = |command: &Command| !command.to_string().contains("%IP%");
    let low_command = proptest::option::of(command(classic).prop_filter("no address", asks_nobody));
    let trigger = prop_oneof![
        sequence().prop_map(Trigger::Static),
        (path(), 1usize..=3, window, 0u16..=1000, any::<u32>(), low_command).prop_map(
            move |(path, several, window, resync, low, low_command)| {
                // The classic syntax takes a comma before a slash for the end of a path.
                let path = path.display().to_string().replace('/', if classic { "|" } else { "/" });
                let paths = (0..several).map(|pad| format!("/{path}{number}{pad}").into()).collect();
                Trigger::OneTime(PadSource { paths, window, resync, low, low_command })
            }
        ),
        key(number),
    ];
    let seconds = |least: u64| (least..400_000).prop_map(Duration::from_secs);
    let stop = (seconds(0), commands(classic)).prop_map(|(after, command)| Stop { after, command });
    let name = "[!-~ä门]([ -~ä门]{0,12}[!-~ä门])?".prop_filter("a door", |name| name != "options");
    let target = proptest::option::of(any::<std::net::IpAddr>());
    let opening = (target, proptest::option::of(networks()), commands(classic));
    let reknock = prop::sample::select(&Reknock::ALL);
    let closing = (proptest::option::of(stop), reknock);
    let parts = (name, trigger, seconds(1), flags(), opening, closing);
    let plain =
        parts.prop_map(|(name, trigger, seq_timeout, flags, (target, allow, start), (stop, reknock))| Door {
            name,
            trigger,
            seq_timeout,
            flags,
            target,
            allow,
            start,
            nft_set: PerFamily { v4: None, v6: None },
            stop,
            reknock,
        });
    let sets = (proptest::option::of(nft_set(Ip::V4)), proptest::option::of(nft_set(Ip::V6)), any::<bool>());
    (plain, sets).prop_map(|(door, (v4, v6, has_sets))| if has_sets { with_sets(door, v4, v6) } else { door })
}

fn capabilities() -> impl Strategy<Value = Capabilities> {
    (1u64..1 << Capabilities::NAMED.len()).prop_map(|bits| {
        let numbers = (0..64).filter(|number| bits >> number & 1 == 1);
        Capabilities::of(numbers)
    })
}

fn config(classic: bool) -> impl Strategy<Value = Config> {
    let interfaces = prop::collection::btree_set("[a-z0-9@:_-][a-z0-9@.:_-]{0,14}", 1..4)
        .prop_map(|names| names.into_iter().collect::<Vec<_>>());
    let privileges = (
        proptest::option::of("[a-zä_][a-z0-9_.ä$-]{0,9}".prop_filter("a user", |name| name != "root")),
        prop::sample::select(&Sandbox::ALL),
        proptest::option::of(capabilities()),
    );
    let options = (
        any::<bool>(),
        proptest::option::of(path()),
        proptest::option::of(path()),
        (proptest::option::of(path()), proptest::option::of(path())),
        proptest::option::of(interfaces),
        prop_oneof![Just(ScanGuard::Auto), Just(ScanGuard::Off), any::<u16>().prop_map(ScanGuard::Strays)],
        (MaxSources::FEWEST..=MaxSources::MOST).prop_map(MaxSources),
        (1u64..=86_400).prop_map(|seconds| CommandTimeout(Duration::from_secs(seconds))),
        privileges,
    )
        .prop_map(
            |(
                use_syslog,
                log_file,
                pid_file,
                (state_dir, counter_dir),
                interfaces,
                guard,
                sources,
                timeout,
                privileges,
            )| {
                let (user, sandbox, capabilities) = privileges;
                Options {
                    use_syslog,
                    log_file,
                    pid_file,
                    state_dir,
                    counter_dir,
                    interfaces,
                    scan_guard: guard,
                    max_sources: sources,
                    command_timeout: timeout,
                    user,
                    sandbox,
                    capabilities,
                }
            },
        );
    let doors = (any_door(classic, 1), any_door(classic, 2), any_door(classic, 3), 0usize..=3, any::<bool>())
        .prop_map(|(a, mut b, c, count, same_name)| {
            if same_name {
                b.name.clone_from(&a.name);
            }
            let mut doors = vec![a, b, c];
            doors.truncate(count);
            doors
        });
    (options, doors).prop_map(|(mut options, doors): (Options, Vec<Door>)| {
        // Without it no set could be changed.
        if let Some(kept) = &mut options.capabilities
            && doors.iter().any(|door| door.nft_set.v4.is_some() || door.nft_set.v6.is_some())
        {
            *kept = Capabilities::of((0..64).filter(|number| *number == 12 || kept.has(*number)));
        }
        Config { options, doors }
    })
}

/// What comes of a printed configuration.
fn read_back(config: &Config, syntax: Syntax) -> Result<Config, TestCaseError> {
    let text = print(config, syntax).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let name = if syntax == Syntax::Toml { "t.toml" } else { "t.conf" };
    let (read, report) = parse(name, text.as_bytes());
    read.ok_or_else(|| TestCaseError::fail(format!("{text}\n{}", report.render(false))))
}

proptest! {
    #[test]
    fn toml_holds_every_configuration(config in config(false)) {
        prop_assert_eq!(&read_back(&config, Syntax::Toml)?, &config);
    }

    #[test]
    fn what_is_printed_in_one_syntax_reads_the_same_in_the_other(config in config(true)) {
        let classic = read_back(&config, Syntax::Classic)?;
        prop_assert_eq!(&classic, &config);
        prop_assert_eq!(&read_back(&classic, Syntax::Toml)?, &config);
    }

    #[test]
    fn what_the_classic_syntax_cannot_hold_is_said(config in config(false)) {
        if let Ok(text) = print(&config, Syntax::Classic) {
            prop_assert_eq!(parse("t.conf", text.as_bytes()).0, Some(config));
        }
    }
}

#[test]
fn the_classic_syntax_says_what_it_cannot_hold() {
    let door = |command: &str| {
        let text =
            format!("[d]\nsequence = '1,9,5'\ntcpflags = 'syn'\ncommand = 'x'\nstop_command = {command}\n");
        parse("t.toml", text.as_bytes()).0.unwrap()
    };
    for command in ["['x']", "'[\"x\"'", "\"a\\nb\"", "' x'"] {
        let error = print(&door(command), Syntax::Classic).unwrap_err();
        assert_eq!(error.to_string(), "stop_command of [d] cannot be written in this syntax", "{command}");
    }
    let mut nameless = door("'x'");
    nameless.doors[0].name = "Options".to_owned();
    for syntax in [Syntax::Classic, Syntax::Toml] {
        assert_eq!(print(&nameless, syntax).unwrap_err().what, "the name");
    }
}

#[test]
fn a_configuration_in_both_syntaxes() {
    let config = good(
        "[options]\nUseSyslog\ninterface = eth0\n[open SSH]\nsequence = 1,2:udp\ncommand = x '%IP%'\n\
         command_6 =\nstop_command = y\ntcpflags = syn\n",
    );
    let classic = "\
[options]
    usesyslog
    interface = eth0
    scan_guard = auto
    max_sources = 65536
    command_timeout = 60
    sandbox = strict

[open SSH]
    sequence = 1,2:udp
    seq_timeout = 25
    tcpflags = syn,!ack
    start_command = x '%IP%'
    start_command_6 =
    cmd_timeout = 10
    stop_command = y
    reknock = renew
";
    assert_eq!(print(&config, Syntax::Classic).unwrap(), classic);
    let toml = r#"[options]
usesyslog = true
interface = "eth0"
scan_guard = "auto"
max_sources = 65536
command_timeout = 60
sandbox = "strict"

["open SSH"]
sequence = [1, "2:udp"]
seq_timeout = 25
tcpflags = "syn,!ack"
start_command = "x '%IP%'"
start_command_6 = ""
cmd_timeout = 10
stop_command = "y"
reknock = "renew"
"#;
    assert_eq!(print(&config, Syntax::Toml).unwrap(), toml);
}
