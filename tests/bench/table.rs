//! What is printed.

use std::time::Duration;

use crate::closed_loop::Load;
use crate::raw_store::ROWS_PER_TRANSACTION;

/// The lines, in the order in which they were measured.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<[String; 5]>,
    notes: Vec<String>,
}

impl Table {
    /// The load on GetVillage, and the same load on the bare server.
    pub(crate) fn get_village(&mut self, ours: &Load, bare: &Load) {
        let ratio = ours.rate / bare.rate;
        self.row(
            "GetVillage, calls/s",
            format!("{:.0}", ours.rate),
            format!("{:.0} bare tonic", bare.rate),
            format!("{ratio:.2}, target >= 0.60"),
            Some(ratio >= 0.6),
        );
        let ratio = bare.processor_us / ours.processor_us;
        self.row(
            "GetVillage, server CPU/call",
            format!("{:.1} us", ours.processor_us),
            format!("{:.1} us bare tonic", bare.processor_us),
            format!("{ratio:.2}, target >= 0.60"),
            Some(ratio >= 0.6),
        );
        self.latencies("GetVillage, p50 / p99", ours, Some(bare));
    }

    /// The load on SubmitClearance, the same in rows, and the rows of SQLite alone.
    pub(crate) fn submit_clearance(
        &mut self,
        ours: &Load,
        rows: f64,
        schema: f64,
        log: f64,
        row_bytes: usize,
    ) {
        for (name, raw) in [("same schema", schema), ("append-only", log)] {
            let ratio = rows / raw;
            self.row(
                "SubmitClearance, rows/s",
                format!("{rows:.0}"),
                format!("{raw:.0} {name}"),
                format!("{ratio:.2}, target >= 0.40"),
                Some(ratio >= 0.4),
            );
        }
        self.row(
            "SubmitClearance, commits/s",
            format!("{:.0}", ours.rate),
            format!("{:.0} us server CPU", ours.processor_us),
            String::new(),
            None,
        );
        self.latencies("SubmitClearance, p50 / p99", ours, None);
        self.notes.push(format!(
            "A clearance is one commit of 6 rows: 1 record, 1 entry, 1 person of it, 1 request, \
             2 deliveries.\nSQLite alone writes {ROWS_PER_TRANSACTION} rows a transaction (WAL, synchronous=FULL, \
             same disk): copies of the gateway's rows in\nits schema, or blobs of their mean size, \
             {row_bytes} bytes, in one column."
        ));
    }

    /// Latencies of searches, microseconds, and the part that found the name.
    pub(crate) fn search_villages(&mut self, p50_us: f64, p99_us: f64, found: f64) {
        self.row(
            "SearchVillages, p50 / p99",
            format!("{} / {}", time(p50_us), time(p99_us)),
            format!("{:.1} % found", found * 100.0),
            "p99, target <= 5 ms".into(),
            Some(p99_us <= 5000.0),
        );
        self.notes.push(
            "Searches are 2,000 village names with one or two slips of the finger, by one caller; \
             found means\nthat the name is among the ten hits."
                .into(),
        );
    }

    /// Memory after the loads.
    pub(crate) fn memory(&mut self, kib: u64) {
        self.row(
            "Memory after the loads (RSS)",
            format!("{} MiB", kib / 1024),
            String::new(),
            "target <= 150 MiB".into(),
            Some(kib <= 150 * 1024),
        );
    }

    /// A start on a folder that is there.
    pub(crate) fn start(&mut self, time: Duration) {
        self.row(
            "Start to ready, second time",
            format!("{} ms", time.as_millis()),
            String::new(),
            "target < 1 s".into(),
            Some(time < Duration::from_secs(1)),
        );
    }

    /// What the pairs and the outbox tell of themselves; `met` where there is a target.
    pub(crate) fn told(
        &mut self,
        name: &str,
        ours: String,
        beside: String,
        target: &str,
        met: Option<bool>,
    ) {
        self.row(name, ours, beside, target.to_owned(), met);
    }

    /// A remark below the lines.
    pub(crate) fn remark(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    fn latencies(&mut self, name: &str, ours: &Load, theirs: Option<&Load>) {
        let told = |load: &Load| format!("{} / {}", time(load.p50_us), time(load.p99_us));
        self.row(name, told(ours), theirs.map(told).unwrap_or_default(), String::new(), None);
    }

    fn row(&mut self, name: &str, ours: String, beside: String, target: String, met: Option<bool>) {
        let met = match met {
            Some(true) => "target met",
            Some(false) => "target missed",
            None => "",
        };
        self.rows.push([name.into(), ours, beside, target, met.into()]);
    }

    /// Prints the lines and the notes.
    pub(crate) fn print(&self) {
        let head = ["what", "gateway", "beside", "ratio", ""].map(String::from);
        for [name, ours, beside, target, met] in std::iter::once(&head).chain(&self.rows) {
            let line = format!("{name:<38}{ours:<21}{beside:<24}{target:<24}{met}");
            println!("{}", line.trim_end());
        }
        for note in &self.notes {
            println!("\n{note}");
        }
    }
}

/// Microseconds for people.
pub(crate) fn time(us: f64) -> String {
    if us < 1000.0 { format!("{us:.0} us") } else { format!("{:.1} ms", us / 1000.0) }
}
