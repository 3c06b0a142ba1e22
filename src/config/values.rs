//! The values of directives: spans of time, flags, sequences, lists.  The spans of faults count from the start of
//! the text that was read.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use seqgen::generate::{LENGTHS, PortRange, Protocols};
use seqgen::sequence::{MAX_STEPS, Protocol, Sequence, SequenceError, SequenceErrorKind, Step};

use super::blank::{is_blank, trim};
use super::excerpt::excerpt;
use super::fault::Fault;
use super::lookalike;
use super::raw::{Form, Text};
use super::schema::{CommandTimeout, MaxSources, Reknock, Sandbox, ScanGuard};
use crate::flags::{FlagRule, TcpFlags};

/// The longest span of time that a directive takes: ten years.
const LONGEST: u64 = 10 * 366 * 86_400;

/// The most lines of a pad that may be armed at once.
const MAX_WINDOW: u16 = 1000;
/// The most lines beyond the window that are looked at.
const MAX_RESYNC: u16 = 1000;
/// The longest step of time, in seconds.
const MAX_STEP: u32 = 3600;

/// A span of time: plain numbers are seconds, `s`, `m` and `h` say it outright.
pub(super) fn span_of_time(text: &str) -> Result<Duration, Fault> {
    let wrong = |message: String| {
        let usual = || "write seconds as 10 or 10s, minutes as 10m, hours as 2h".to_owned();
        Err(Fault::error(0..text.len(), message).hint(placeholder_hint(text).unwrap_or_else(usual)))
    };
    let (digits, unit) = match text.char_indices().find(|(_, c)| !c.is_ascii_digit()) {
        Some((end, _)) => text.split_at(end),
        None => (text, ""),
    };
    let seconds_each = match trim(unit).1.to_ascii_lowercase().as_str() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return wrong(format!("`{}` is no span of time", excerpt(text))),
    };
    if digits.is_empty() {
        return wrong(format!("`{}` is no span of time", excerpt(text)));
    }
    match digits.parse::<u64>().ok().and_then(|n| n.checked_mul(seconds_each)) {
        Some(seconds) if seconds <= LONGEST => Ok(Duration::from_secs(seconds)),
        _ => wrong(format!("`{}` is longer than ten years", excerpt(text))),
    }
}

/// How long a sequence may take.
pub(super) fn seq_timeout(text: &str) -> Result<Duration, Fault> {
    let span = span_of_time(text)?;
    if span.is_zero() {
        return Err(Fault::error(0..text.len(), "no sequence can be completed in 0 seconds"));
    }
    Ok(span)
}

/// How many lines of a pad are armed at once.
pub(super) fn window(text: &str) -> Result<NonZeroU16, Fault> {
    let number = text.parse::<NonZeroU16>().ok().filter(|n| n.get() <= MAX_WINDOW);
    number.ok_or_else(|| {
        let message = format!("`{}` is no window (1-{MAX_WINDOW})", excerpt(text));
        Fault::error(0..text.len(), message).hint("how many unstruck lines of the pad are armed at once")
    })
}

/// How many lines beyond the window two in a row may be.
pub(super) fn resync(text: &str) -> Result<u16, Fault> {
    let number = text.parse().ok().filter(|n| *n <= MAX_RESYNC);
    number.ok_or_else(|| {
        let message = format!("`{}` is no number of lines (0-{MAX_RESYNC})", excerpt(text));
        Fault::error(0..text.len(), message)
            .hint("how far beyond the window two lines in a row open the door; 0 turns it off")
    })
}

/// With how many lines left a pad is said to run out.
pub(super) fn low(text: &str) -> Result<u32, Fault> {
    text.parse().map_err(|_| {
        let message = format!("`{}` is no number of lines (0-{})", excerpt(text), u32::MAX);
        Fault::error(0..text.len(), message)
            .hint("with how many lines left a pad is said to run out; 0 never says so")
    })
}

/// How long a step of time is for keys (RFC 6238 calls 30 seconds a good choice).
pub(super) fn step(text: &str) -> Result<NonZeroU32, Fault> {
    let span = span_of_time(text)?.as_secs();
    let step = u32::try_from(span).ok().filter(|seconds| *seconds <= MAX_STEP).and_then(NonZeroU32::new);
    step.ok_or_else(|| {
        let message = format!("`{}` is no step of time (1s-1h)", excerpt(text));
        Fault::error(0..text.len(), message)
            .hint("30s is usual: a sequence is good for that long, and opens once")
    })
}

/// How many ports a sequence has that follows from a key.
pub(super) fn length(text: &str) -> Result<usize, Fault> {
    text.parse().ok().filter(|length| LENGTHS.contains(length)).ok_or_else(|| {
        let (least, most) = (LENGTHS.start(), LENGTHS.end());
        let message = format!("`{}` is no length of a sequence ({least}-{most})", excerpt(text));
        Fault::error(0..text.len(), message)
            .hint("how many ports are hit; the default is 5, as it is for knock")
    })
}

/// Over which protocol the ports of a key's sequences are hit.
pub(super) fn protocols(text: &str) -> Result<Protocols, Fault> {
    text.to_ascii_lowercase().parse().map_err(|_| {
        let message = format!("`{}` is neither tcp, nor udp, nor mixed", excerpt(text));
        Fault::error(0..text.len(), message).hint("mixed draws one for each port")
    })
}

/// Ports and ranges of ports.
pub(super) fn port_ranges(words: &[Word<'_>]) -> Result<Vec<PortRange>, Fault> {
    let read =
        |word: &Word<'_>| word.value.parse::<PortRange>().map_err(|error| word.wrong(error.to_string()));
    words.iter().map(read).collect()
}

/// Yes or no.
pub(super) fn yes_or_no(text: &str) -> Result<bool, Fault> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => {
            let message = format!("`{}` is neither yes nor no", excerpt(text));
            Err(Fault::error(0..text.len(), message).hint("write yes or no"))
        }
    }
}

/// How many stray ports end an attempt.
pub(super) fn scan_guard(text: &str) -> Result<ScanGuard, Fault> {
    match text.to_ascii_lowercase().as_str() {
        "auto" => Ok(ScanGuard::Auto),
        "off" => Ok(ScanGuard::Off),
        number => number.parse().map(ScanGuard::Strays).map_err(|_| {
            let message =
                format!("`{}` is neither auto, nor off, nor a number of ports (0-65535)", excerpt(text));
            Fault::error(0..text.len(), message).hint("auto suits nearly everybody")
        }),
    }
}

/// How many attempts are followed at once.
pub(super) fn max_sources(text: &str) -> Result<MaxSources, Fault> {
    let bounds = MaxSources::FEWEST..=MaxSources::MOST;
    let number = text.parse().ok().filter(|number| bounds.contains(number));
    number.map(MaxSources).ok_or_else(|| {
        let (fewest, most) = bounds.into_inner();
        let message = format!("`{}` is no number of sources ({fewest}-{most})", excerpt(text));
        Fault::error(0..text.len(), message).hint("the default, 65536, is enough for most")
    })
}

/// How long a command may run.
pub(super) fn command_timeout(text: &str) -> Result<CommandTimeout, Fault> {
    let span = span_of_time(text)?;
    if !(CommandTimeout::SHORTEST..=CommandTimeout::LONGEST).contains(&span) {
        let message = format!("`{}` is no time for a command (1s-24h)", excerpt(text));
        return Err(Fault::error(0..text.len(), message)
            .hint("a command that runs for longer is killed; the default, 60 seconds, is enough for most"));
    }
    Ok(CommandTimeout(span))
}

/// The most bytes that a user's name has (`LOGIN_NAME_MAX` of Linux, less the zero at its end).
const MAX_USER: usize = 255;

/// The name of the user who reads packets.
pub(super) fn user(text: &str) -> Result<String, Fault> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || ":,/\"'#".contains(c);
    let wrong = |message: String, hint: &str| Err(Fault::error(0..text.len(), message).hint(hint));
    if text == "root" {
        let hint =
            "packets of strangers are read by a user who may do nothing; leave it out for knockd or nobody";
        return wrong("`root` is not who reads packets".to_owned(), hint);
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return wrong(format!("`{}` is a number", excerpt(text)), "write the user's name, not the id");
    }
    if text.is_empty() || text.len() > MAX_USER || text.starts_with('-') || text.contains(odd) {
        let message = format!("`{}` is no user's name", excerpt(text));
        return wrong(message, "one name, such as knockd; `getent passwd` lists them");
    }
    Ok(text.to_owned())
}

/// How far the process that reads packets is confined.
pub(super) fn sandbox(text: &str) -> Result<Sandbox, Fault> {
    let known = Sandbox::ALL.into_iter().find(|strength| text.eq_ignore_ascii_case(&strength.to_string()));
    known.ok_or_else(|| {
        let message = format!("`{}` is neither strict, nor log, nor off", excerpt(text));
        Fault::error(0..text.len(), message)
            .hint("strict suits everybody; log only shows in the kernel's log what strict would stop")
    })
}

/// What a knock does at a door that is open already.
pub(super) fn reknock(text: &str) -> Result<Reknock, Fault> {
    let known = Reknock::ALL.into_iter().find(|way| text.eq_ignore_ascii_case(&way.to_string()));
    known.ok_or_else(|| {
        let message = format!("`{}` is neither renew, nor extend, nor run", excerpt(text));
        Fault::error(0..text.len(), message).hint(
            "renew closes and opens anew, extend moves the deadline, run starts again as knockd 0.8 does",
        )
    })
}

/// An element of a list, and where it stands.
pub(super) struct Word<'a> {
    pub(super) value: &'a str,
    text: &'a Text,
    offset: usize,
}

impl<'a> Word<'a> {
    /// An element that is a text by itself.
    pub(super) fn whole(text: &'a Text) -> Word<'a> {
        let (offset, value) = trim(&text.value);
        Word { value, text, offset }
    }

    /// The same with the blanks around it.
    fn verbatim(text: &'a Text) -> Word<'a> {
        Word { value: &text.value, text, offset: 0 }
    }

    /// Whether there is something, or at least a pair of quotes.
    pub(super) fn is_written(&self) -> bool {
        !self.value.is_empty() || self.text.form != Form::Bare
    }

    /// An error whose span counts from the start of the word.
    pub(super) fn error(&self, span: std::ops::Range<usize>, message: impl Into<String>) -> Fault {
        self.text.blame(Fault::error(span.start + self.offset..span.end + self.offset, message))
    }

    /// An error of the word as a whole.
    pub(super) fn wrong(&self, message: impl Into<String>) -> Fault {
        self.error(0..self.value.len(), message)
    }
}

/// The elements of a list joined by commas; `part` is the beginning of the text that holds them.
pub(super) fn split_list<'a>(text: &'a Text, part: &'a str) -> Vec<Word<'a>> {
    let mut words = Vec::new();
    let mut start = 0;
    for word in part.split(',') {
        let (blanks, value) = trim(word);
        words.push(Word { value, text, offset: start + blanks });
        start += word.len() + 1;
    }
    words
}

/// The words of a text that are parted by blanks; `part` is the beginning of the text that holds them.
pub(super) fn split_words<'a>(text: &'a Text, part: &'a str) -> Vec<Word<'a>> {
    let mut words = Vec::new();
    let mut start = 0;
    for value in part.split(is_blank) {
        if !value.is_empty() {
            words.push(Word { value, text, offset: start });
        }
        start += value.len() + 1;
    }
    words
}

/// The paths in a text: one in quotes; without quotes, several that are joined by commas.
pub(super) fn paths_in(text: &Text) -> impl Iterator<Item = Word<'_>> {
    let is_list = text.form == Form::Bare;
    let paths = is_list.then(|| split_paths(&text.value)).into_iter().flatten();
    let words = paths.map(move |(offset, value)| Word { value, text, offset });
    words.chain((!is_list).then(|| Word::verbatim(text)))
}

/// Paths joined by commas, each with its offset.  A comma is part of a path unless a `/` follows.
pub(super) fn split_paths(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let parts = |comma: &usize| text[comma + 1..].trim_start_matches(is_blank).starts_with('/');
    let commas = text.match_indices(',').map(|(comma, _)| comma).filter(parts);
    let mut start = 0;
    commas.chain([text.len()]).map(move |end| {
        let (blanks, path) = trim(&text[start..end]);
        let offset = start + blanks;
        start = end + 1;
        (offset, path)
    })
}

/// Ports in order, TCP where no protocol is named.
pub(super) fn sequence(words: &[Word<'_>]) -> Result<Sequence, Fault> {
    let blame = |word: &Word<'_>, error: &SequenceError| {
        let hint = lookalike::hint(word.value).or_else(|| match error.kind {
            SequenceErrorKind::NotAPort(_) => word.value.get(error.span.clone()).and_then(placeholder_hint),
            _ => None,
        });
        word.error(error.span.clone(), error.to_string()).maybe_hint(hint)
    };
    let step = |word: &Word<'_>| Step::parse(word.value, Protocol::Tcp).map_err(|error| blame(word, &error));
    let steps = words.iter().take(MAX_STEPS).map(step).collect::<Result<Vec<_>, _>>()?;
    if let Some(word) = words.get(MAX_STEPS) {
        let error = SequenceError { span: 0..word.value.len(), kind: SequenceErrorKind::TooLong };
        return Err(blame(word, &error));
    }
    Sequence::new(steps).ok_or_else(|| Fault::error(0..0, SequenceErrorKind::MissingPort.to_string()))
}

/// What to say of a word in place of a number.
fn placeholder_hint(text: &str) -> Option<String> {
    let placeholder = text.contains(['$', '{', '_']) || text.bytes().all(|byte| byte.is_ascii_uppercase());
    let hint = "a placeholder must be filled in before the file is used; a number belongs here";
    (placeholder && !text.is_empty()).then(|| hint.to_owned())
}

/// TCP flags, `!` before those that must be clear; `any` takes every packet.
pub(super) fn tcp_flags(words: &[Word<'_>]) -> Result<FlagRule, Fault> {
    if let [word] = words
        && word.value.eq_ignore_ascii_case("any")
    {
        return Ok(FlagRule::ANY);
    }
    let (mut set, mut clear) = (TcpFlags::default(), TcpFlags::default());
    let mut rule = FlagRule::ANY;
    for word in words {
        let (list, name) = match word.value.strip_prefix('!') {
            Some(name) => (&mut clear, trim(name).1),
            None => (&mut set, word.value),
        };
        let Some((_, flag)) = TcpFlags::NAMED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
        else {
            let usual =
                "fin, syn, rst, psh, ack and urg, each with a `!` before it if it must be clear; or any";
            let hint = lookalike::hint(name).unwrap_or_else(|| usual.to_owned());
            return Err(word.wrong(format!("unknown TCP flag `{}`", excerpt(name))).hint(hint));
        };
        *list = list.with(*flag);
        rule = FlagRule::new(set, clear).ok_or_else(|| {
            let message = format!("`{}` cannot be both set and clear", name.to_ascii_lowercase());
            word.wrong(message).hint("no packet could ever be a hit")
        })?;
    }
    Ok(rule)
}
