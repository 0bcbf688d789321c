//! How a log line looks: a JSON object for machines, or a short line for people.
//!
//! Both hold the same parts: time, level, target, message, the event's own fields, and the trace
//! and span id of the call. Fields of spans are not repeated on every line: the trace id finds them.

use std::fmt::{self, Write};

use jiff::Timestamp;
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Form of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A JSON object a line.
    Json,
    /// A line for people.
    Text,
}

impl<S, N> FormatEvent<S, N> for LogFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let call = Context::map_current(|context| {
            let span = context.span();
            let span = span.span_context();
            span.is_valid().then(|| (span.trace_id().to_string(), span.span_id().to_string()))
        });
        let line = Line {
            time: Timestamp::now(),
            level: event.metadata().level().as_str(),
            target: event.metadata().target(),
            fields,
            call,
        };
        match self {
            Self::Json => line.write_json(&mut writer),
            Self::Text => line.write_text(&mut writer),
        }
    }
}

/// Spans' fields are not in the lines, so nothing is formatted when a span opens.
pub(crate) struct NoSpanFields;

impl<'w> FormatFields<'w> for NoSpanFields {
    fn format_fields<R: RecordFields>(&self, _: Writer<'w>, _: R) -> fmt::Result {
        Ok(())
    }
}

/// The parts of a line.
struct Line<'e> {
    time: Timestamp,
    level: &'static str,
    target: &'e str,
    fields: Fields,
    /// Trace id and span id.
    call: Option<(String, String)>,
}

impl Line<'_> {
    fn write_json(self, writer: &mut impl Write) -> fmt::Result {
        // The line's own parts come last, so that no field of an event can pass for one.
        let mut object = self.fields.values;
        object.insert("timestamp".into(), format!("{:.6}", self.time).into());
        object.insert("level".into(), self.level.into());
        object.insert("target".into(), self.target.into());
        object.insert("message".into(), self.fields.message.into());
        if let Some((trace_id, span_id)) = self.call {
            object.insert("trace_id".into(), trace_id.into());
            object.insert("span_id".into(), span_id.into());
        }
        writeln!(writer, "{}", Value::Object(object))
    }

    fn write_text(&self, writer: &mut impl Write) -> fmt::Result {
        write!(writer, "{:.3} {:5} {}", self.time, self.level, self.fields.message.escape_debug())?;
        for (name, value) in &self.fields.values {
            write!(writer, " {name}={value}")?;
        }
        if let Some((trace_id, _)) = &self.call {
            write!(writer, " trace_id={trace_id}")?;
        }
        writeln!(writer)
    }
}

/// The fields of an event, the message apart.
#[derive(Default)]
struct Fields {
    message: String,
    values: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.values.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.put(field, format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.put(field, value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
}
