//! A witness against a log that shows what it is told to.

use std::sync::Mutex;

use desmigratif_core::ports::clock::SetClock;
use tempfile::TempDir;

use super::*;
use crate::audit::note::{cosigned_by, note};

const ORIGIN: &str = "log.desmigratif.test";

fn log_key(seed: u8) -> SigningKey {
    SigningKey::new(ORIGIN, &[seed; 32]).unwrap()
}

fn witness_key() -> SigningKey {
    SigningKey::new("witness.kemenkes.test", &[2; 32]).unwrap()
}

fn leaf(number: u64, history: u8) -> Hash {
    tlog_tiles::record_hash(&[number.to_be_bytes().as_slice(), &[history]].concat()).0
}

/// A journal: as far as `common` one history, then another.
#[derive(Clone, Copy)]
struct Journal {
    common: u64,
    history: u8,
}

/// The journal as it is.
const HONEST: Journal = Journal { common: u64::MAX, history: 0 };

impl Journal {
    fn leaves(self, from: u64, to: u64) -> Vec<Hash> {
        let of = |number| leaf(number, if number < self.common { 0 } else { self.history });
        (from..to).map(of).collect()
    }

    fn head(self, size: u64) -> Head {
        Head { origin: ORIGIN.into(), size, root: root(&self.leaves(0, size)) }
    }
}

/// The root by the definition of RFC 9162 section 2.1.1.
fn root(leaves: &[Hash]) -> Hash {
    let [left, right] = match leaves {
        [leaf] => return *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            [root(left), root(right)].map(tlog_tiles::Hash)
        }
    };
    tlog_tiles::node_hash(left, right).0
}

/// The proof by the definition of RFC 9162 section 2.1.4.1.
fn proof(earlier: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if earlier == leaves.len() {
        return if whole { vec![] } else { vec![root(leaves)] };
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut hashes, sibling) = if earlier <= left.len() {
        (proof(earlier, left, whole), root(right))
    } else {
        (proof(earlier - left.len(), right, false), root(left))
    };
    hashes.push(sibling);
    hashes
}

/// A log that shows what it is told to, and keeps what it is handed.
struct Scripted {
    journal: Journal,
    head: Head,
    key: SigningKey,
    successions: Vec<String>,
    spoil_proof: bool,
    takes: bool,
    folder: PathBuf,
    cosigned: Mutex<Vec<(u64, String)>>,
}

#[async_trait]
impl Source for Scripted {
    async fn checkpoint(&self) -> Result<Shown, Unanswered> {
        let note = note(&self.head, &[self.key.sign_head(&self.head)]);
        Ok(Shown { note, successions: self.successions.clone() })
    }

    async fn consistency(&self, earlier: u64, size: u64) -> Result<Vec<Hash>, Unanswered> {
        let earlier = usize::try_from(earlier).unwrap();
        let mut hashes = proof(earlier, &self.journal.leaves(0, size), true);
        if self.spoil_proof {
            hashes[0][0] ^= 1;
        }
        Ok(hashes)
    }

    async fn cosign(&self, size: u64, line: String) -> Result<(), Unanswered> {
        let kept = std::fs::read_to_string(self.folder.join("checkpoint")).unwrap();
        assert_eq!(Head::of_note(&kept).as_ref(), Ok(&self.head), "kept before it is cosigned");
        if !self.takes {
            return Err(Unanswered("cut".into()));
        }
        self.cosigned.lock().unwrap().push((size, line));
        Ok(())
    }
}

struct Stand {
    folder: TempDir,
    log: Scripted,
    witness: Option<Witness>,
}

impl Stand {
    /// A witness that has cosigned the first `size` entries.
    async fn at(size: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = Scripted {
            journal: HONEST,
            head: HONEST.head(size),
            key: log_key(1),
            successions: Vec::new(),
            spoil_proof: false,
            takes: true,
            folder: folder.path().into(),
            cosigned: Mutex::default(),
        };
        let witness = Some(open(folder.path(), &log_key(1)).unwrap());
        let mut stand = Self { folder, log, witness };
        assert_eq!(stand.look().await.unwrap(), Looked::Cosigned(size));
        stand
    }

    fn show(&mut self, journal: Journal, size: u64) {
        (self.log.journal, self.log.head) = (journal, journal.head(size));
    }

    async fn look(&mut self) -> Result<Looked, Error> {
        self.witness.as_mut().unwrap().look(&self.log).await
    }

    /// Ends the witness and begins it again.
    fn restart(&mut self) {
        self.witness = None;
        self.witness = Some(open(self.folder.path(), &log_key(1)).unwrap());
    }

    fn cosigned(&self) -> Vec<u64> {
        self.log.cosigned.lock().unwrap().iter().map(|(size, _)| *size).collect()
    }

    /// That what is shown is refused, again and again, with the evidence kept once; gives it.
    async fn refused(&mut self, expected: Refusal) -> serde_json::Value {
        let before = self.cosigned();
        let mut files = Vec::new();
        for _ in 0..2 {
            match self.look().await {
                Err(Error::Refused { why, evidence }) => {
                    assert_eq!(why, expected);
                    files.push(evidence.unwrap());
                }
                other => panic!("{other:?}"),
            }
            self.restart();
        }
        assert_eq!(self.cosigned(), before, "nothing was cosigned");
        assert_eq!(files[0], files[1]);
        assert_eq!(std::fs::read_dir(files[0].parent().unwrap()).unwrap().count(), 1);
        let evidence = serde_json::from_slice(&std::fs::read(&files[0]).unwrap());
        let evidence: serde_json::Value = evidence.unwrap();
        let shown = self.log.checkpoint().await.unwrap().note;
        assert_eq!(evidence["shown"], shown, "the note itself");
        assert_eq!(evidence["refused"], expected.to_string());
        evidence
    }
}

fn open(folder: &Path, log: &SigningKey) -> Result<Witness, OpenError> {
    let clock = Arc::new(SetClock::at("2026-11-24T05:00:00Z".parse().unwrap()));
    Witness::open(folder, witness_key(), vec![log.log_key()], clock)
}

#[tokio::test]
async fn what_continues_the_last_is_kept_and_then_cosigned_once() {
    let mut stand = Stand::at(3).await;
    assert_eq!(stand.look().await.unwrap(), Looked::NoNews(3));
    for size in [4, 5, 9, 300] {
        stand.show(HONEST, size);
        assert_eq!(stand.look().await.unwrap(), Looked::Cosigned(size));
    }
    assert_eq!(stand.cosigned(), [3, 4, 5, 9, 300]);
    let keys = [witness_key().witness_key()];
    for (size, line) in stand.log.cosigned.lock().unwrap().iter() {
        assert_eq!(cosigned_by(&HONEST.head(*size), line, &keys), Ok(&keys[0]));
    }
}

#[tokio::test]
async fn a_smaller_size_after_a_larger_one_is_refused_after_a_restart_too() {
    let mut stand = Stand::at(9).await;
    stand.show(HONEST, 8);
    let evidence = stand.refused(Refusal::RolledBack { seen: 9, shown: 8 }).await;
    let seen = Head::of_note(evidence["seen"].as_str().unwrap());
    assert_eq!(seen, Ok(HONEST.head(9)), "and what it stands against");
    stand.show(HONEST, 10);
    assert_eq!(stand.look().await.unwrap(), Looked::Cosigned(10), "what was seen is the measure");
}

#[tokio::test]
async fn another_root_of_the_same_size_is_refused() {
    let mut stand = Stand::at(9).await;
    stand.show(Journal { common: 8, history: 1 }, 9);
    stand.refused(Refusal::Split { size: 9 }).await;
}

#[tokio::test]
async fn a_larger_size_of_another_history_is_refused_with_its_proof() {
    let mut stand = Stand::at(9).await;
    stand.show(Journal { common: 7, history: 1 }, 12);
    let evidence = stand.refused(Refusal::Forked { seen: 9, shown: 12 }).await;
    assert!(!evidence["proof"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_good_history_with_a_broken_proof_is_refused() {
    let mut stand = Stand::at(9).await;
    stand.show(HONEST, 12);
    stand.log.spoil_proof = true;
    stand.refused(Refusal::Forked { seen: 9, shown: 12 }).await;
    stand.log.spoil_proof = false;
    assert_eq!(stand.look().await.unwrap(), Looked::Cosigned(12));
}

#[tokio::test]
async fn a_head_that_the_log_has_not_signed_is_refused() {
    let mut stand = Stand::at(9).await;
    stand.show(HONEST, 12);
    stand.log.key = log_key(7);
    stand.refused(Refusal::Note(note::Error::UnknownKey)).await;
    stand.log.successions = vec![succession::statement(&log_key(3), &log_key(7))];
    stand.refused(Refusal::Note(note::Error::UnknownKey)).await;
    stand.log.successions = vec![succession::statement(&log_key(1), &log_key(7))];
    assert_eq!(stand.look().await.unwrap(), Looked::Cosigned(12), "its own key vouches for it");
}

#[tokio::test]
async fn what_was_kept_and_not_cosigned_when_the_witness_was_cut_is_cosigned_next() {
    let mut stand = Stand::at(3).await;
    stand.show(HONEST, 5);
    stand.log.takes = false;
    assert!(matches!(stand.look().await, Err(Error::Unanswered(_))));
    stand.restart();
    stand.log.takes = true;
    assert_eq!(stand.look().await.unwrap(), Looked::Cosigned(5));
    assert_eq!(stand.cosigned(), [3, 5]);
}

#[tokio::test]
async fn a_folder_is_one_witness_s_and_a_damaged_one_is_not_begun_anew() {
    let stand = Stand::at(3).await;
    let path = stand.folder.path();
    assert!(matches!(open(path, &log_key(1)), Err(OpenError::InUse(_))));
    let Stand { folder, witness, .. } = stand;
    drop(witness);
    let other = SigningKey::new("another.test", &[1; 32]).unwrap();
    assert!(matches!(open(folder.path(), &other), Err(OpenError::Damaged(_))));
    std::fs::write(folder.path().join("checkpoint"), "").unwrap();
    assert!(matches!(open(folder.path(), &log_key(1)), Err(OpenError::Damaged(_))));
    let clock = Arc::new(SetClock::at("2026-11-24T05:00:00Z".parse().unwrap()));
    let of_witness = vec![witness_key().witness_key()];
    let fresh = tempfile::tempdir().unwrap();
    let odd = Witness::open(fresh.path(), witness_key(), of_witness, clock);
    assert!(matches!(odd, Err(OpenError::Keys)));
}
