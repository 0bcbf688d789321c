//! An engine against a model of it: any sequence of commits must end the same way in both.

use std::collections::HashMap;

use super::samples::{agency, request, whole, worker, worker_key};
use crate::ports::store::{Commit, Error, Expect, Request, Store, Write};
use crate::record::{Kind, Record};
use crate::worker::Worker;

/// People and workers are few, so that the commits meet.
const WORKERS: u32 = 8;

/// What the port promises, in its simplest form.
#[derive(Default)]
struct Model {
    workers: HashMap<u32, (u64, Worker)>,
    answers: HashMap<Request, (u64, Vec<u8>)>,
    entries: u64,
}

impl Model {
    /// Index and answer, or why not.
    fn commit(&mut self, n: u32, commit: &Commit) -> Result<(u64, Vec<u8>), Error> {
        let request = commit.request.clone().unwrap();
        if let Some(kept) = self.answers.get(&request) {
            return Ok(kept.clone());
        }
        if self.answers.keys().any(|it| it.id == request.id) {
            return Err(Error::RequestReused);
        }
        for (key, version) in &commit.unchanged {
            let found = self.workers.iter().find(|(n, _)| worker_key(**n) == *key);
            if found.map(|(_, (version, _))| version) != Some(version) {
                return Err(Error::Conflict(Kind::Worker));
            }
        }
        let Write { record: Record::Worker(worker), expect } = &commit.writes[0] else {
            panic!("only workers are written here")
        };
        let version = self.workers.get(&n).map_or(0, |(version, _)| *version);
        let expected = match expect {
            Expect::Any => true,
            Expect::Absent => version == 0,
            Expect::Version(expected) => version == *expected && version > 0,
        };
        if !expected {
            return Err(Error::Conflict(Kind::Worker));
        }
        if self.workers.iter().any(|(m, (_, it))| *m != n && it.subject == worker.subject) {
            return Err(Error::AliasTaken(Kind::Worker));
        }
        self.workers.insert(n, (version + 1, worker.clone()));
        let answer = (self.entries, commit.answer.clone());
        self.answers.insert(request, answer.clone());
        self.entries += 1;
        Ok(answer)
    }
}

/// Makes `steps` commits that follow from `seed` and compares each answer, and in the end every
/// record, with the model's.
///
/// # Panics
/// Where they differ.
pub async fn agrees_with_a_model(store: &dyn Store, seed: u64, steps: u32) {
    let mut model = Model::default();
    let mut random = Random(seed);
    for step in 0..steps {
        let n = random.below(WORKERS);
        let mut written = worker(n);
        if random.below(4) == 0 {
            written.subject = worker(random.below(WORKERS)).subject;
        }
        written.registered_by = agency(&format!("office-{step}"));
        let expect = match random.below(3) {
            0 => Expect::Absent,
            1 => Expect::Any,
            _ => Expect::Version(u64::from(random.below(6))),
        };
        let mut commit = whole(n);
        commit.writes = vec![Write { record: Record::Worker(written), expect }];
        commit.answer = step.to_be_bytes().to_vec();
        let digest = [u8::try_from(random.below(4) / 3).unwrap(); 32];
        // Ids come again now and then.
        commit.request = Some(Request { digest, ..request(random.below(steps)) });
        if random.below(4) == 0 {
            let version = u64::from(random.below(4));
            commit.unchanged = vec![(worker_key(random.below(WORKERS)), version)];
        }
        let expected = model.commit(n, &commit);
        let found = store.commit(commit).await.map(|done| (done.receipt.index, done.answer));
        assert_eq!(found, expected, "step {step} of seed {seed}");
    }
    for n in 0..WORKERS {
        let stored = store.get(&worker_key(n)).await.unwrap();
        let found = stored.map(|it| (it.version, it.record.into_worker().unwrap()));
        assert_eq!(found, model.workers.remove(&n), "worker {n} of seed {seed}");
    }
    assert_eq!(store.verify().await, Ok(model.entries), "seed {seed}");
}

/// SplitMix64: enough for a test, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((z ^ (z >> 31)) % u64::from(limit)).expect("it is below a u32")
    }
}
