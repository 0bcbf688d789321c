//! `desmigratif import`: what an office sees, what it gets back, and that nothing is doubled.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};

use crate::gateway::{Gateway, KENANGA, binary, run, run_command};
use crate::journal::entries;

const HEADINGS: &str = "No;NIK;Nama Lengkap;Tgl Lahir;JK;Kode Desa;No HP";
const REGISTERED: &str = "desmigratif.worker.v1.WorkerService/RegisterWorkers";

/// A synthetic NIK of this file's own.
fn nik(n: usize) -> String {
    format!("9903{:02}550190{:04}", 1 + n / 9_999, 1 + n % 9_999)
}

/// A line of a table under [`HEADINGS`].
fn line(n: usize, nik: &str, village: &str) -> String {
    format!("{n};{nik};Contoh Ratna Sari;15/01/1990;P;{village};0812-0000-0001\n")
}

/// A table of so many workers.
fn many(count: usize) -> String {
    let mut table = format!("{HEADINGS}\n");
    for n in 0..count {
        table.push_str(&line(n, &nik(n), KENANGA));
    }
    table
}

/// The command that imports a table as an agency.
fn importing(gateway: &Gateway, what: &str, agency: &str, file: &Path) -> Command {
    let mut command = Command::new(binary());
    command.args(["import", what]).arg(file).arg("--profile");
    command.arg(gateway.data().join(format!("{agency}.toml")));
    command
}

fn registered(gateway: &Gateway) -> usize {
    entries(gateway, "change").into_iter().filter(|(_, method)| method == REGISTERED).count()
}

#[test]
fn rejected_rows_come_back_with_their_reasons_and_no_number_is_printed() {
    let gateway = Gateway::start();
    let file = gateway.data().join("pekerja.csv");
    let rejected = gateway.data().join("ditolak.csv");
    let mut table = format!("{HEADINGS}\n");
    for (n, (nik, village)) in [
        (nik(1), KENANGA),
        ("3,21216E+15".into(), KENANGA),
        ("321216450190001".into(), KENANGA),
        (nik(2), "32.12.16.2999"),
        (nik(1), KENANGA),
        (nik(3), "3212162004"),
    ]
    .iter()
    .enumerate()
    {
        table.push_str(&line(n + 1, nik, village));
    }
    table.push_str("7;9903015501909999;Contoh;tidak tahu;X;32.12.16.2004;\n");
    std::fs::write(&file, &table).unwrap();

    let mut command = importing(&gateway, "workers", "kemnaker", &file);
    command.arg("--rejected").arg(&rejected);
    let (dry, out, err) = run_command(command.arg("--dry-run"));
    assert_eq!(dry, Some(1), "{err}");
    assert!(out.contains("columns not used: no\n"), "{out}");
    assert!(out.contains("rows 7, would be taken 2, rejected 5"), "{out}{err}");
    assert_eq!(registered(&gateway), 0, "a dry run changes nothing");
    let dry_reasons = std::fs::read_to_string(&rejected).unwrap();

    let mut command = importing(&gateway, "workers", "kemnaker", &file);
    command.arg("--rejected").arg(&rejected);
    let (status, out, err) = run_command(&mut command);
    assert_eq!(status, Some(1));
    assert!(out.contains("rows 7, taken 2, rejected 5"), "{out}{err}");
    assert!(out.contains("  NIK_SCIENTIFIC: 1\n"), "{out}");
    for printed in [&out, &err] {
        assert!(!printed.contains("9903") && !printed.contains("Ratna"), "{printed}");
    }
    assert_eq!(registered(&gateway), 2);

    assert_eq!(std::fs::metadata(&rejected).unwrap().permissions().mode() & 0o777, 0o600);
    let written = std::fs::read_to_string(&rejected).unwrap();
    assert_eq!(written, dry_reasons, "a dry run tells what the import would");
    let mut reader = csv::Reader::from_reader(written.as_bytes());
    let headings: Vec<_> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(headings[7..], ["baris", "kode", "alasan", "reason"]);
    let told: Vec<_> = reader
        .records()
        .map(Result::unwrap)
        .map(|row| (row[7].to_owned(), row[8].to_owned()))
        .collect();
    let expected = [
        ("3", "NIK_SCIENTIFIC"),
        ("4", "NIK_FIFTEEN_DIGITS"),
        ("5", "VILLAGE_CODE_UNKNOWN"),
        ("6", "ROW_REPEATED"),
        ("8", "DATE_INVALID; CHOICE_UNKNOWN"),
    ];
    assert_eq!(told, expected.map(|(row, code)| (row.to_owned(), code.to_owned())));
    assert!(written.contains("kode_desa: tidak ada dalam keputusan"), "{written}");
    assert!(written.contains("tanggal_lahir: must be a date"), "{written}");

    // Corrected in place, the file of rejected rows is a table like any other.
    let corrected = written.replace("32.12.16.2999", KENANGA);
    std::fs::write(&rejected, corrected).unwrap();
    let (_, out, err) = run_command(&mut importing(&gateway, "workers", "kemnaker", &rejected));
    assert!(out.contains("rows 5, taken 2, rejected 3"), "the repeated one is in: {out}{err}");
    assert_eq!(registered(&gateway), 3);
}

#[test]
fn a_number_of_a_spreadsheet_is_no_nik() {
    let gateway = Gateway::start();
    let file = gateway.data().join("pekerja.xlsx");
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (column, heading) in
        (0..).zip(["nik", "nama", "tanggal_lahir", "jenis_kelamin", "kode_desa"])
    {
        sheet.write(0, column, heading).unwrap();
    }
    let born = ExcelDateTime::from_ymd(1990, 1, 15).unwrap();
    let day = Format::new().set_num_format("dd/mm/yyyy");
    for row in 1..=2 {
        sheet.write(row, 1, "Contoh Ratna Sari").unwrap();
        sheet.write_with_format(row, 2, &born, &day).unwrap();
        sheet.write(row, 3, "Perempuan").unwrap();
        sheet.write(row, 4, 3_212_162_004.0).unwrap();
    }
    sheet.write(1, 0, nik(20)).unwrap();
    sheet.write(2, 0, 9_903_015_501_900_030.0).unwrap();
    book.save(&file).unwrap();

    let (status, out, err) = run_command(&mut importing(&gateway, "workers", "kemnaker", &file));
    assert_eq!(status, Some(1), "{err}");
    assert!(out.contains("rows 2, taken 1, rejected 1\n  SPREADSHEET_NUMBER: 1\n"), "{out}{err}");
    let (status, _, err) =
        run_command(importing(&gateway, "workers", "kemnaker", &file).args(["--sheet", "Lembar9"]));
    assert_eq!(status, Some(64));
    assert!(err.contains("no sheet \"Lembar9\", but \"Sheet1\""), "{err}");
}

#[test]
fn an_import_that_was_killed_goes_on_where_it_was_and_doubles_nothing() {
    const ROWS: usize = 1_500;
    let gateway = Gateway::start();
    let file = gateway.data().join("pekerja.csv");
    std::fs::write(&file, many(ROWS)).unwrap();
    let mut command = importing(&gateway, "workers", "kemnaker", &file);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "1000 of 1500 rows");
    child.kill().unwrap();
    child.wait().unwrap();

    for again in ["the rest is taken", "and all of it once more"] {
        let mut command = importing(&gateway, "workers", "kemnaker", &file);
        let (status, out, err) = run_command(&mut command);
        assert_eq!(status, Some(0), "{again}: {out}{err}");
        assert!(out.contains("rows 1500, taken 1500, rejected 0"), "{again}: {out}");
        assert_eq!(registered(&gateway), ROWS, "{again}");
    }
}

#[test]
fn an_import_outlasts_a_gateway_that_dies_and_comes_back() {
    const ROWS: usize = 1_500;
    let gateway = Gateway::start();
    let (address, data) = (gateway.agencies.to_string(), gateway.data().to_owned());
    let file = data.join("pekerja.csv");
    std::fs::write(&file, many(ROWS)).unwrap();
    let mut command = importing(&gateway, "workers", "kemnaker", &file);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "1000 of 1500 rows");
    let gateway = gateway.kill();
    let gateway = Gateway::serve(gateway, &[("DESMIGRATIF_LISTEN__AGENCIES", &address)]);
    let rest: Vec<_> = said.map(Result::unwrap).collect();
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{out}{rest:?}");
    assert!(out.contains("rows 1500, taken 1500, rejected 0"), "{out}");
    assert_eq!(registered(&gateway), ROWS);
}

#[test]
fn an_agency_without_the_allowance_is_told_what_it_needs() {
    let gateway = Gateway::serve(
        crate::folder::prepared(),
        &[("DESMIGRATIF_LIMITS__AGENCY__KEMNAKER__SUBJECTS_PER_HOUR", "500")],
    );
    let profile = gateway.data().join("kemnaker.toml");
    let mut written = format!("gateway = \"{}\"\nserver_name = \"localhost\"\n", gateway.agencies);
    for (key, file) in [
        ("ca", "ca.pem"),
        ("certificate", "agencies/kemnaker.pem"),
        ("key", "agencies/kemnaker-key.pem"),
    ] {
        writeln!(written, "{key} = \"tls/{file}\"").unwrap();
    }
    std::fs::write(&profile, written).unwrap();
    let file = gateway.data().join("pekerja.csv");
    std::fs::write(&file, many(600)).unwrap();
    let (status, out, err) = run_command(&mut importing(&gateway, "workers", "kemnaker", &file));
    assert_eq!(status, Some(1));
    assert!(
        out.contains("kemnaker may name 500 people more in this hour, and the table names 600")
    );
    assert!(out.contains("rows 600, taken 500, rejected 0"), "{out}");
    assert!(err.contains("SUBJECTS_LIMITED") && err.contains("subjects_per_hour"), "{err}");
    assert_eq!(registered(&gateway), 500);
}

#[test]
fn nothing_is_sent_of_a_table_that_cannot_be_read() {
    let gateway = Gateway::start();
    let file = gateway.data().join("tabel.csv");
    let refused = |table: &[u8]| {
        std::fs::write(&file, table).unwrap();
        let (status, _, err) = run_command(&mut importing(&gateway, "workers", "kemnaker", &file));
        assert_eq!(status, Some(64), "{err}");
        err
    };
    assert!(refused(b"").contains("no row of headings"));
    assert!(refused(b"nik,nama\n").contains("no column tanggal_lahir"));
    assert!(refused(b"nik,nama\n1,Sit\xe9\n").contains("CSV UTF-8"));
    let (status, _, err) = run_command(Command::new(binary()).args(["import", "workers", "x.csv"]));
    assert_eq!(status, Some(64), "without a profile: {err}");

    // And who may not, is told so.
    std::fs::write(&file, many(1)).unwrap();
    let (status, _, err) =
        run_command(&mut importing(&gateway, "workers", "klinik-indramayu", &file));
    assert_eq!(status, Some(1));
    assert!(err.contains("PermissionDenied"), "{err}");
}

/// The README's own lines, run one after the other as they stand.
#[test]
fn the_readme_says_what_happens() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let gateway = Gateway::start();
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(gateway.data(), folder.path().join("desmigratif-data")).unwrap();
    let (_, section) = readme.split_once("**Bringing tables in.**").expect("the section is there");
    let (_, block) = section.split_once("```console\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let mut commands = 0;
    for part in block.split("$ desmigratif ").filter(|part| !part.is_empty()) {
        let (command, expected) = part.split_once('\n').unwrap();
        let command = command.split('#').next().unwrap();
        let (command, into) = match command.split_once('>') {
            Some((command, into)) => (command, Some(into.trim())),
            None => (command, None),
        };
        let mut child = Command::new(binary());
        child.current_dir(folder.path()).args(command.split_whitespace());
        let (status, out, err) = run_command(&mut child);
        assert_eq!(status, Some(0), "{command}: {out}{err}");
        match into {
            Some(into) => std::fs::write(folder.path().join(into), out).unwrap(),
            None => assert_eq!(out, expected, "{command}"),
        }
        commands += 1;
    }
    assert!(commands >= 6, "{commands}");
    let (_, help, _) = run(&["import", "--help"]);
    assert!(help.contains("clearances"), "{help}");
}
