//! The values of directives: spans of time, flags, lists.

use std::ops::Range;
use std::time::Duration;

use super::report::Problem;
use crate::flags::{FlagRule, TcpFlags};

/// The longest span of time that a directive takes: ten years.
const LONGEST: u64 = 10 * 366 * 86_400;

/// A span of time: plain numbers are seconds, `s`, `m` and `h` say it outright.
pub(super) fn span_of_time(text: &str, at: Range<usize>) -> Result<Duration, Problem> {
    let wrong = |message: String| {
        Err(Problem::error(at.clone(), message)
            .hint("write seconds as 10 or 10s, minutes as 10m, hours as 2h"))
    };
    let (digits, unit) = match text.char_indices().find(|(_, c)| !c.is_ascii_digit()) {
        Some((end, _)) => text.split_at(end),
        None => (text, ""),
    };
    let seconds_each = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return wrong(format!("`{}` is no span of time", text.escape_debug())),
    };
    if digits.is_empty() {
        return wrong(format!("`{}` is no span of time", text.escape_debug()));
    }
    match digits.parse::<u64>().ok().and_then(|n| n.checked_mul(seconds_each)) {
        Some(seconds) if seconds <= LONGEST => Ok(Duration::from_secs(seconds)),
        _ => wrong(format!("{text} is longer than ten years")),
    }
}

/// TCP flags joined by commas, `!` before those that must be clear; `any` takes every packet.
pub(super) fn tcp_flags(text: &str, at: Range<usize>) -> Result<FlagRule, Problem> {
    if text.eq_ignore_ascii_case("any") {
        return Ok(FlagRule::ANY);
    }
    let (mut set, mut clear) = (TcpFlags::default(), TcpFlags::default());
    for word in split_list(text, at.start) {
        let (list, name) = match word.value.strip_prefix('!') {
            Some(name) => (&mut clear, name.trim_start()),
            None => (&mut set, word.value),
        };
        let Some((_, flag)) = TcpFlags::NAMED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
        else {
            let message = format!("unknown TCP flag `{}`", name.escape_debug());
            return Err(Problem::error(word.span, message).hint(
                "fin, syn, rst, psh, ack and urg, each with a `!` before it if it must be clear; or any",
            ));
        };
        *list = list.with(*flag);
    }
    FlagRule::new(set, clear).ok_or_else(|| {
        Problem::error(at, "a flag cannot be both set and clear").hint("no packet could ever be a hit")
    })
}

/// The words of a list joined by commas, without the blanks around them; `offset` is where the text begins.
pub(super) fn split_list(text: &str, offset: usize) -> Vec<super::raw::Spanned<&str>> {
    let mut words = Vec::new();
    let mut start = 0;
    for part in text.split(',') {
        let value = part.trim();
        let from = offset + start + part.len() - part.trim_start().len();
        words.push(super::raw::Spanned { value, span: from..from + value.len() });
        start += part.len() + 1;
    }
    words
}
