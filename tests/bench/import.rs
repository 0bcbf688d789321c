//! An office's table of very many workers, brought in by `desmigratif import` as its user would.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::process::{Gateway, Ministries};
use crate::rounds::KENANGA;
use crate::table::Table;

/// Within which 100,000 workers should be in, the program's start included.
const TARGET: Duration = Duration::from_secs(30);
/// The workers that the target is for.
const TARGET_ROWS: u32 = 100_000;

/// Writes a table, imports it, and imports it once more.
pub(crate) fn measure(data: &Path, rows: u32, table: &mut Table) -> Result<()> {
    let gateway = Gateway::start(data, Ministries::new())?;
    let file = data.join("pekerja.csv");
    std::fs::write(&file, workers(rows))?;
    let profile = data.join("kemnaker.toml");
    let at = gateway.server().address("agencies")?;
    std::fs::write(
        &profile,
        format!(
            "gateway = \"{at}\"\nserver_name = \"localhost\"\nca = \"tls/ca.pem\"\n\
             certificate = \"tls/agencies/kemnaker.pem\"\nkey = \"tls/agencies/kemnaker-key.pem\"\n"
        ),
    )?;
    let import = || -> Result<Duration> {
        let begun = Instant::now();
        let output = Command::new(env!("CARGO_BIN_EXE_desmigratif"))
            .args(["import", "workers"])
            .arg(&file)
            .arg("--profile")
            .arg(&profile)
            .output()
            .context("cannot start the import")?;
        let said = String::from_utf8_lossy(&output.stdout);
        let expected = format!("rows {rows}, taken {rows}, rejected 0");
        ensure!(said.contains(&expected), "{said}{}", String::from_utf8_lossy(&output.stderr));
        Ok(begun.elapsed())
    };
    let before = gateway.server().processor_time()?;
    let first = import()?;
    let busy = gateway.server().processor_time()? - before;
    let again = import()?;
    let target = (TARGET * rows / TARGET_ROWS).as_secs_f64();
    table.told(
        "import, workers",
        format!("{rows} in {:.1} s", first.as_secs_f64()),
        format!("{:.0} us server CPU each", busy.as_secs_f64() * 1e6 / f64::from(rows)),
        &format!("{target:.1} s or less"),
        Some(first.as_secs_f64() <= target),
    );
    let again = format!("{:.1} s", again.as_secs_f64());
    table.told("import, the same table again", again, String::new(), "", None);
    table.memory(gateway.server().resident_kib()?);
    gateway.stop()
}

/// A table of synthetic workers.
fn workers(rows: u32) -> String {
    let mut table = String::from("nik,nama,tanggal_lahir,jenis_kelamin,kode_desa,negara_tujuan\n");
    for n in 0..rows {
        let (region, serial) = (n / 9_999, 1 + n % 9_999);
        // Writing to a string does not fail.
        let _ = writeln!(
            table,
            "9904{region:02}150190{serial:04},Contoh Budi Santoso,1990-01-15,L,{KENANGA},HK"
        );
    }
    table
}
