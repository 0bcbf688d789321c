//! What lies on the disk: no personal value in any form, whatever was written, changed, sent,
//! erased or migrated; and no key that was destroyed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use desmigratif_core::access::{AgencyKind, Classes, Purpose};
use desmigratif_core::agency::{Agency, AgencyId, AgencyStatus};
use desmigratif_core::birth::{BirthDate, Precision};
use desmigratif_core::clearance::{Clearance, Conclusion, Country, Examiner, Finding};
use desmigratif_core::credentials::Digests;
use desmigratif_core::family::{FamilyMember, Relation};
use desmigratif_core::identity::Sex;
use desmigratif_core::journal::{Draft, Entry, EntryKind, LeafVersion, Touched, commitment};
use desmigratif_core::name::PersonName;
use desmigratif_core::nik::Nik;
use desmigratif_core::ports::clock::SystemClock;
use desmigratif_core::ports::store::outbox::Delivery;
use desmigratif_core::ports::store::{Expect, Write};
use desmigratif_core::record::Record;
use desmigratif_core::region::VillageCode;
use desmigratif_core::stage::Stage;
use desmigratif_core::subject::Subject;
use desmigratif_core::worker::{Contact, Worker};
use jiff::SignedDuration;
use jiff::civil::date;
use rusqlite::params;
use tempfile::TempDir;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::*;

/// Values that stand nowhere but in what is about people. The last is the conclusion of a
/// medical examination, the one before it a kept answer.
const NEEDLES: [&str; 9] = [
    "9912184501900777",
    "9912184501900778",
    "Zubaidah Xylokwark",
    "Qomaruddin Xylokwark",
    "+6281177700077",
    "MCU/Q77/0042",
    "tensi-187654",
    "hasil-mismatch-4711",
    "unfit",
];

/// A value that lies in clear, so that a scan which finds nothing would show.
const IN_CLEAR: &str = "Klinik Terang Benderang";

fn subject(n: u8) -> Subject {
    Subject::from_bytes(&[n; 32]).unwrap()
}

fn worker(n: u8) -> Worker {
    Worker {
        id: Uuid::from_u128(n.into()),
        subject: subject(n),
        nik: Nik::parse(NEEDLES[usize::from(n)]).unwrap(),
        kk: None,
        name: PersonName::parse(NEEDLES[2]).unwrap(),
        birth: BirthDate::new(date(1990, 1, 5), Precision::Day, date(2026, 11, 24)).unwrap(),
        sex: Sex::Female,
        village: VillageCode::parse("3212162004").unwrap(),
        contact: Contact { phone: Some(NEEDLES[4].to_owned()), address: None },
        stage: Stage::Prospective,
        destination: None,
        placement: None,
        documents: BTreeSet::new(),
        verification: None,
        registered_by: AgencyId::parse("kemnaker").unwrap(),
    }
}

fn clearance(n: u8) -> Clearance {
    Clearance {
        id: Uuid::from_u128(n.into()),
        worker_id: worker(n).id,
        subject: subject(n),
        facility_id: format!("klinik-{n}"),
        home: None,
        submitted_by: AgencyId::parse("klinik-01").unwrap(),
        certificate_number: NEEDLES[5].to_owned(),
        examined_on: date(2026, 11, 20),
        issued_on: date(2026, 11, 21),
        destination: Country::parse("SA").unwrap(),
        conclusion: Conclusion::Unfit,
        examiner: Examiner {
            name: PersonName::parse(NEEDLES[3]).unwrap(),
            sip_number: "SIP/1".to_owned(),
        },
        findings: vec![Finding {
            code: "8480-6".to_owned(),
            display: "Systolic".to_owned(),
            value: NEEDLES[6].to_owned(),
            unit: "mm[Hg]".to_owned(),
            interpretation: None,
        }],
        pregnancy_test: None,
        revocation: None,
    }
}

fn member(n: u8) -> FamilyMember {
    FamilyMember {
        id: Uuid::from_u128(n.into()),
        worker_id: worker(n).id,
        subject: None,
        name: PersonName::parse(NEEDLES[3]).unwrap(),
        relation: Relation::Child,
        nik: None,
        birth: None,
        caretaker: false,
    }
}

fn draft(n: u8) -> Draft {
    Draft {
        kind: EntryKind::Change,
        agency: AgencyId::parse("kemnaker").unwrap(),
        purpose: Some(Purpose::PlacementScreening),
        method: "a.B/C".to_owned(),
        request_digest: [1; 32],
        subjects: vec![subject(n)],
        classes: Classes::NONE,
        trace_id: [0; 16],
    }
}

fn request(n: u8) -> Request {
    let agency = AgencyId::parse("kemnaker").unwrap();
    Request { agency, id: Uuid::from_u128(n.into()), digest: [1; 32] }
}

/// Writes a record about person `n`, to be delivered.
fn write(n: u8, record: Record) -> Commit {
    let to = [AgencyKind::Kemnaker, AgencyKind::Kemenkes];
    let delivery = |to| Delivery { to, subject: subject(n), record: record.key() };
    Commit {
        deliveries: to.map(delivery).into(),
        writes: vec![Write { record, expect: Expect::Any }],
        ..Commit::of(draft(n))
    }
}

fn open(folder: &Path, ring: KeyRing) -> Result<Sqlite, OpenError> {
    Sqlite::open(&folder.join("store.db"), Arc::new(SystemClock), ring)
}

fn ring(keys: &[(&str, u8)]) -> KeyRing {
    KeyRing::of(keys.iter().map(|(id, byte)| ((*id).to_owned(), Zeroizing::new([*byte; 32]))))
        .unwrap()
}

/// Base64 without padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut three = [0; 4];
        three[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(three);
        let digit = |n: usize| char::from(DIGITS[(bits >> (18 - 6 * n)) as usize & 63]);
        text.extend((0..=chunk.len()).map(digit));
    }
    text
}

/// A value as it may lie in a file: itself, in hexadecimal, in base64 at each alignment.
fn forms(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms =
        vec![value.to_vec(), hex::encode(value).into(), hex::encode_upper(value).into()];
    for shift in 0..3 {
        let text = base64(&[&[0; 2][..shift], value].concat());
        // The digits at either end depend on what stands beside the value.
        let whole = text.len() - usize::from(!(shift + value.len()).is_multiple_of(3));
        let from = [0, 2, 3][shift];
        forms.push(text.as_bytes()[from..whole].to_vec());
    }
    forms
}

/// Whether a value lies in a file of the folder, in any form.
fn lies_in(folder: &Path, value: &[u8]) -> bool {
    let files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
    assert!(files.iter().any(|file| file.len() > 4_096), "there is a store");
    forms(value)
        .iter()
        .any(|form| files.iter().any(|file| file.windows(form.len()).any(|window| window == form)))
}

fn nothing_personal_lies_in(folder: &Path) {
    for needle in NEEDLES {
        assert!(!lies_in(folder, needle.as_bytes()), "{needle}");
    }
}

fn agency() -> Record {
    Record::Agency(Agency {
        id: AgencyId::parse("klinik-01").unwrap(),
        kind: AgencyKind::Clinic,
        name: IN_CLEAR.to_owned(),
        purposes: BTreeSet::new(),
        status: AgencyStatus::Active,
        region: None,
        facility: None,
        certificates: Vec::new(),
    })
}

#[test]
fn a_scan_knows_every_form() {
    let folder = TempDir::new().unwrap();
    let filler = "-".repeat(5_000);
    for before in ["", "x", "xy"] {
        for text in [
            NEEDLES[3].to_owned(),
            hex::encode(NEEDLES[3]),
            base64(format!("{before}{}z", NEEDLES[3]).as_bytes()),
        ] {
            fs::write(folder.path().join("file"), format!("{filler}{text}{filler}")).unwrap();
            assert!(lies_in(folder.path(), NEEDLES[3].as_bytes()), "{text}");
            assert!(!lies_in(folder.path(), NEEDLES[0].as_bytes()));
        }
    }
}

#[tokio::test]
async fn no_personal_value_lies_in_any_file() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path(), KeyRing::of_tests()).unwrap();
    store.commit(write(0, agency())).await.unwrap();
    for n in [0, 1] {
        for stage in [Stage::Prospective, Stage::Ready] {
            let worker = Worker { stage, ..worker(n) };
            let answered = Commit {
                request: Some(Request {
                    digest: [stage as u8; 32],
                    ..request(10 * n + stage as u8)
                }),
                answer: NEEDLES[7].as_bytes().to_vec(),
                ..write(n, Record::Worker(worker))
            };
            store.commit(answered).await.unwrap();
        }
        store.commit(write(n, Record::Clearance(clearance(n)))).await.unwrap();
        store.commit(write(n, Record::FamilyMember(member(n)))).await.unwrap();
    }
    let tool = Connection::open(folder.path().join("store.db")).unwrap();
    let wrapped = |n: u8| -> Vec<u8> {
        tool.query_row("SELECT wrapped FROM data_key WHERE subject = ?1", [[n; 32]], |row| {
            row.get(0)
        })
        .unwrap()
    };
    let (erased, kept) = (wrapped(1), wrapped(0));
    assert!(lies_in(folder.path(), &erased) && lies_in(folder.path(), IN_CLEAR.as_bytes()));
    nothing_personal_lies_in(folder.path());

    let erasure = Commit { erase: Some(subject(1)), ..Commit::of(draft(1)) };
    store.commit(erasure).await.unwrap();
    // Not even in the log, though the store is open.
    assert!(!lies_in(folder.path(), &erased));
    let backup = folder.path().join("backup.db");
    tool.execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    store.commit(write(0, Record::Worker(worker(0)))).await.unwrap();
    assert!(lies_in(folder.path(), &kept) && lies_in(folder.path(), IN_CLEAR.as_bytes()));
    assert!(!lies_in(folder.path(), &erased));
    nothing_personal_lies_in(folder.path());
    let entries = store.journal_len().await.unwrap();
    assert_eq!(store.verify().await, Ok(entries));
    drop((tool, store));
    nothing_personal_lies_in(folder.path());
}

#[tokio::test]
async fn other_keys_are_refused_and_the_file_untouched() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path(), ring(&[("a", 1)])).unwrap();
    store.commit(write(0, Record::Worker(worker(0)))).await.unwrap();
    drop(store);
    let before = fs::read(folder.path().join("store.db")).unwrap();
    for other in [ring(&[("b", 1)]), ring(&[("a", 2)])] {
        let refusal = open(folder.path(), other).err().unwrap();
        assert!(matches!(refusal, OpenError::Keys { .. }), "{refusal}");
        let line = refusal.to_string();
        assert!(line.contains("\"a\"") && line.lines().count() == 1, "{line}");
        assert_eq!(fs::read(folder.path().join("store.db")).unwrap(), before);
    }
}

#[tokio::test]
async fn rotated_keys_need_the_new_one_alone() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path(), ring(&[("a", 1)])).unwrap();
    store.commit(write(0, Record::Worker(worker(0)))).await.unwrap();
    drop(store);
    let store = open(folder.path(), ring(&[("b", 2), ("a", 1)])).unwrap();
    store.commit(write(1, Record::Worker(worker(1)))).await.unwrap();
    assert_eq!(store.rewrap_keys().await, Ok(1), "the second was made under the new key");
    assert_eq!(store.rewrap_keys().await, Ok(0));
    drop(store);
    let refusal = open(folder.path(), ring(&[("a", 1)])).err().unwrap();
    assert!(refusal.to_string().contains("\"b\""), "{refusal}");
    let store = open(folder.path(), ring(&[("b", 2)])).unwrap();
    for n in [0, 1] {
        let alias = subject(n).to_string();
        let found = store.get_by_alias(Kind::Worker, &alias).await.unwrap().unwrap();
        assert_eq!(found.record, Record::Worker(worker(n)));
    }
    assert_eq!(store.verify().await, Ok(2));
}

/// A store as schema 2 left it: a worker at version 2 whose first version still waits for a
/// ministry, a family member without a NIK, a kept answer.
fn in_clear(path: &Path) {
    let old = Connection::open(path).unwrap();
    old.execute_batch(include_str!("migrations/0001_store.sql")).unwrap();
    old.execute_batch(include_str!("migrations/0002_outbox.sql")).unwrap();
    old.execute_batch("PRAGMA user_version = 2; PRAGMA application_id = 1146309959").unwrap();
    let body = |record: &Record| serde_json::to_vec(record).unwrap();
    let first = Record::Worker(worker(0));
    let second = Record::Worker(Worker { stage: Stage::Ready, ..worker(0) });
    let writes = [(first.clone(), 1), (second, 2), (Record::FamilyMember(member(0)), 1)];
    let at = Timestamp::from_second(1_700_000_000).unwrap();
    for (index, (record, version)) in (0..).zip(&writes) {
        let (salt, key, found) = ([5; 16], record.key(), record.index());
        let commitment = commitment(&salt, &body(record));
        let touched = vec![Touched { key: key.clone(), version: *version, commitment }];
        let (leaf_version, caller) = (LeafVersion::V1, Digests::default());
        let entry = Entry { index, at, leaf_version, draft: draft(0), caller, touched };
        old.execute(
            "INSERT INTO entry VALUES (?1, ?2, 'change', 'kemnaker', 'placement-screening', 'a.B/C',
                                       ?3, ?4, 0, ?5, ?6, ?7, ?8)",
            params![
                commit::signed(index),
                at.as_microsecond(),
                [1_u8; 32],
                columns::subjects_to_blob(&entry.draft.subjects),
                [0_u8; 16],
                columns::touched_to_json(&entry.touched),
                salt,
                entry.receipt().leaf_hash,
            ],
        )
        .unwrap();
        old.execute(
            "INSERT OR REPLACE INTO record (kind, id, version, as_of, subject, parent, state, alias,
                                            body, entry)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                key.kind.as_str(),
                key.id,
                commit::signed(*version),
                at.as_microsecond(),
                found.subject.map(|subject| *subject.as_bytes()),
                found.parent,
                found.state,
                found.alias,
                body(record),
                commit::signed(index)
            ],
        )
        .unwrap();
    }
    old.execute(
        "INSERT INTO delivery (to_ministry, subject, kind, record_id, version, entry, head, body)
         VALUES ('kemnaker', ?1, 'worker', ?2, 1, 0, 1, ?3)",
        params![[0_u8; 32], first.key().id, body(&first)],
    )
    .unwrap();
    old.execute(
        "INSERT INTO request VALUES (0, 'kemnaker', ?1, ?2, ?3, ?4)",
        params![
            request(0).id.as_bytes(),
            [1_u8; 32],
            Timestamp::now().as_microsecond(),
            NEEDLES[7].as_bytes()
        ],
    )
    .unwrap();
}

#[tokio::test]
async fn what_lay_in_clear_is_sealed_at_the_first_start() {
    let folder = TempDir::new().unwrap();
    in_clear(&folder.path().join("store.db"));
    assert!(lies_in(folder.path(), NEEDLES[0].as_bytes()));
    let store = open(folder.path(), KeyRing::of_tests()).unwrap();
    nothing_personal_lies_in(folder.path());
    assert_eq!(store.verify().await, Ok(5), "two entries say that the records were sealed");
    let now = store.get(&Record::Worker(worker(0)).key()).await.unwrap().unwrap();
    assert_eq!(now.version, 3);
    assert_eq!(now.record, Record::Worker(Worker { stage: Stage::Ready, ..worker(0) }));
    let found = store.get(&Record::FamilyMember(member(0)).key()).await.unwrap().unwrap();
    assert_eq!(found.record, Record::FamilyMember(member(0)));
    let kept = store.answered(&request(0)).await.unwrap().unwrap();
    assert_eq!(kept.answer, NEEDLES[7].as_bytes());
    let until = Timestamp::now() + SignedDuration::from_secs(60);
    let lease = Lease { to: AgencyKind::Kemnaker, until, limit: 9 };
    let leased = store.lease(lease).await.unwrap();
    assert_eq!(leased[0].stored.record, Record::Worker(worker(0)));
    drop(store);
    let store = open(folder.path(), KeyRing::of_tests()).unwrap();
    assert_eq!(store.verify().await, Ok(5), "it is done once");
    store.commit(Commit { erase: Some(subject(0)), ..Commit::of(draft(0)) }).await.unwrap();
    assert_eq!(store.get(&Record::FamilyMember(member(0)).key()).await, Ok(None));
    assert_eq!(store.verify().await, Ok(6));
}

#[tokio::test]
async fn an_older_store_is_counted_by_what_lies_sealed() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path(), KeyRing::of_tests()).unwrap();
    for (n, destination) in [(0, "SA"), (1, "HK")] {
        let destination = Country::parse(destination).ok();
        store.commit(write(n, Record::Worker(Worker { destination, ..worker(n) }))).await.unwrap();
    }
    let counted = store.tally(Kind::Worker, "32").await.unwrap();
    let facets: Vec<_> = counted.iter().map(|it| (it.facet.as_str(), it.count)).collect();
    assert_eq!(facets, [("HK", 1), ("SA", 1)]);
    drop(store);
    // As it was before there were numbers.
    harm(
        &folder.path().join("store.db"),
        "DROP TRIGGER record_in; DROP TRIGGER record_moved; DROP TRIGGER record_renewed;
         DROP TABLE timestamp; DROP TABLE tally; DROP TABLE place_count;
         ALTER TABLE record DROP COLUMN facet;
         PRAGMA user_version = 8",
    );
    let store = open(folder.path(), KeyRing::of_tests()).unwrap();
    assert_eq!(store.verify().await, Ok(2));
    assert_eq!(store.tally(Kind::Worker, "32").await.unwrap(), counted);
}
