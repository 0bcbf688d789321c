//! Showing answers: a table for people, JSON for programs.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use jiff::Timestamp;
use prost_types::Duration;
use serde::Serialize;

use super::Output;
use crate::cli::{Failure, say};

/// A row of an answer.
pub(super) trait Row: Serialize {
    /// The columns' headings.
    const HEADINGS: &'static [&'static str];

    /// The row's cells, as many as there are headings.
    fn cells(&self) -> Vec<String>;
}

/// Shows rows.
pub(super) fn show<R: Row>(output: Output, rows: &[R]) -> Result<(), Failure> {
    match output {
        Output::Json => json(&rows),
        Output::Table => {
            let mut table = Table::new();
            table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
            table.set_header(R::HEADINGS.to_vec());
            table.add_rows(rows.iter().map(Row::cells));
            let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
            say(format_args!("{}", lines.join("\n")))
        }
    }
}

/// Shows a value as JSON.
pub(super) fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::of("cannot write JSON", error))?;
    say(format_args!("{text}"))
}

/// A time from the wire; `None` when it is absent.
pub(super) fn time(at: Option<prost_types::Timestamp>) -> Option<Timestamp> {
    at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok())
}

/// A time, for the wire.
pub(super) fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

/// Milliseconds of a duration from the wire.
pub(super) fn milliseconds(duration: Option<Duration>) -> Option<f64> {
    let duration = std::time::Duration::try_from(duration?).ok()?;
    Some((duration.as_secs_f64() * 1e6).round() / 1e3)
}

/// A cell that may be empty.
pub(super) fn cell<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// How long ago, or how long until, for people.
pub(super) fn span(at: Option<Timestamp>, now: Timestamp) -> String {
    let Some(at) = at else { return "-".to_owned() };
    let seconds = at.duration_since(now).as_secs();
    let (sign, seconds) = if seconds < 0 { ("", -seconds) } else { ("in ", seconds) };
    match seconds {
        0..120 => format!("{sign}{seconds} s"),
        120..7_200 => format!("{sign}{} min", seconds / 60),
        7_200..172_800 => format!("{sign}{} h", seconds / 3_600),
        _ => format!("{sign}{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_the_unit_that_people_would_use() {
        let now: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        let after = |seconds| Some(now + jiff::SignedDuration::from_secs(seconds));
        let told: Vec<_> =
            [-5, -300, -10_000, -200_000, 90, 9_000].map(|it| span(after(it), now)).into();
        assert_eq!(told, ["5 s", "5 min", "2 h", "2 d", "in 90 s", "in 2 h"]);
        assert_eq!(span(None, now), "-");
    }
}
