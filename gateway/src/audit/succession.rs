//! The succession of the log's keys: who relies on one of them can follow to the next.
//!
//! A statement is a signed note (C2SP signed-note) that names two keys of a log, signed by both: by
//! the earlier, that the later stands in its place, and by the later, that somebody holds it. Its
//! second line is no number, so that it is never taken for a checkpoint, nor a checkpoint for it.

use signed_note::{Note, Verifier as _};

use super::note::{self, SigningKey, VerifyingKey};

/// The second line of a statement.
const WORDS: &str = "succession of the log's key";

/// The statement that a key stands in the place of another of the same log.
#[must_use]
pub fn statement(earlier: &SigningKey, later: &SigningKey) -> String {
    let (from, to) = (earlier.log_key(), later.log_key());
    let text = format!("{}\n{WORDS}\n{from}\n{to}\n", earlier.name());
    note::signed(&text, &[earlier, later].map(|key| key.sign_text(&text)))
}

/// The earlier and the later key of a statement; `None` when it is none, or does not hold.
fn read(statement: &str) -> Option<[VerifyingKey; 2]> {
    let note = Note::from_bytes(statement.as_bytes()).ok()?;
    let text = std::str::from_utf8(note.text()).ok()?;
    let lines: Vec<_> = text.strip_suffix('\n')?.split('\n').collect();
    let [origin, WORDS, from, to] = lines[..] else { return None };
    let (from, to) = (VerifyingKey::parse(from)?, VerifyingKey::parse(to)?);
    let of_log = |key: &VerifyingKey| key.name() == origin && !key.is_witness();
    if !of_log(&from) || !of_log(&to) || from.key_id() == to.key_id() {
        return None;
    }
    let both = [from, to];
    let signed = note::signed_by(statement, &both).ok()?.len() == 2;
    signed.then_some(both)
}

/// The key that a statement puts in the place of one of `known`; `None` when it is no statement
/// about any of them, or does not hold.
#[must_use]
pub fn successor(statement: &str, known: &[VerifyingKey]) -> Option<VerifyingKey> {
    let [from, to] = read(statement)?;
    known.contains(&from).then_some(to)
}

/// The keys that can be relied on by whoever relies on `known`: those, and their successors by
/// statements in their order.
#[must_use]
pub fn follow(known: &[VerifyingKey], statements: &[String]) -> Vec<VerifyingKey> {
    let mut keys = known.to_vec();
    for statement in statements {
        if let Some(next) = successor(statement, &keys)
            && !keys.contains(&next)
        {
            keys.push(next);
        }
    }
    keys
}

/// The same, where nothing may be left over: `None` when a statement does not hold, or is about no
/// key that is relied on by then.
#[must_use]
pub fn follow_all(known: &[VerifyingKey], statements: &[String]) -> Option<Vec<VerifyingKey>> {
    for (at, statement) in statements.iter().enumerate() {
        let keys = follow(known, &statements[..at]);
        let [from, to] = read(statement)?;
        if !keys.contains(&from) && !keys.contains(&to) {
            return None;
        }
    }
    Some(follow(known, statements))
}

/// Those of `known` and the keys in whose place they stand, by statements in their order: whose
/// signatures from before may be met. Who relies on a later key relies on no earlier one by that.
#[must_use]
pub fn trace_back(known: &[VerifyingKey], statements: &[String]) -> Vec<VerifyingKey> {
    let mut keys = known.to_vec();
    for [from, to] in statements.iter().rev().filter_map(|statement| read(statement)) {
        if keys.contains(&to) && !keys.contains(&from) {
            keys.push(from);
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::new("log.desmigratif.test", &[seed; 32]).unwrap()
    }

    fn verifying<const N: usize>(seeds: [u8; N]) -> Vec<VerifyingKey> {
        seeds.map(|seed| key(seed).log_key()).into()
    }

    #[test]
    fn who_relies_on_the_first_key_follows_to_the_last() {
        let statements = [statement(&key(1), &key(2)), statement(&key(2), &key(3))];
        assert_eq!(follow(&verifying([1]), &statements), verifying([1, 2, 3]));
        assert_eq!(follow(&verifying([2]), &statements), verifying([2, 3]));
        assert_eq!(follow(&verifying([4]), &statements), verifying([4]));
        assert_eq!(follow(&verifying([1]), &statements[1..]), verifying([1]), "a link is missing");
    }

    #[test]
    fn who_has_the_last_key_finds_those_before_it() {
        let statements = [statement(&key(1), &key(2)), statement(&key(2), &key(3))];
        assert_eq!(trace_back(&verifying([3]), &statements), verifying([3, 2, 1]));
        assert_eq!(trace_back(&verifying([2]), &statements), verifying([2, 1]));
        assert_eq!(trace_back(&verifying([3]), &statements[..1]), verifying([3]));
    }

    #[test]
    fn where_nothing_may_be_left_over_every_statement_is_about_a_known_key() {
        let statements = [statement(&key(1), &key(2)), statement(&key(2), &key(3))];
        assert_eq!(follow_all(&verifying([1]), &statements), Some(verifying([1, 2, 3])));
        assert_eq!(follow_all(&verifying([2]), &statements), Some(verifying([2, 3])));
        assert_eq!(follow_all(&verifying([1]), &statements[1..]), None, "about strangers");
        let broken = [statements[0].replace("place", "stead") + "x"];
        assert_eq!(follow_all(&verifying([1]), &broken), None);
        assert_eq!(follow_all(&verifying([1]), &[]), Some(verifying([1])));
    }

    #[test]
    fn a_statement_counts_only_with_both_signatures_and_unchanged() {
        let good = statement(&key(1), &key(2));
        let known = verifying([1]);
        assert_eq!(successor(&good, &known), Some(key(2).log_key()));
        let lines: Vec<_> = good.lines().collect();
        for missing in [5, 6] {
            let mut lines = lines.clone();
            lines.remove(missing);
            assert_eq!(successor(&(lines.join("\n") + "\n"), &known), None, "line {missing}");
        }
        for at in 0..good.len() {
            let mut changed = good.clone().into_bytes();
            changed[at] ^= 1;
            let Ok(changed) = String::from_utf8(changed) else { continue };
            assert_eq!(successor(&changed, &known), None, "byte {at}");
        }
        let stranger = SigningKey::new("another.test", &[2; 32]).unwrap();
        assert_eq!(successor(&statement(&key(1), &stranger), &known), None, "another log's key");
        let head = note::Head { origin: "log.desmigratif.test".into(), size: 1, root: [1; 32] };
        let checkpoint = note::note(&head, &[key(1).sign_head(&head)]);
        assert_eq!(successor(&checkpoint, &known), None);
        assert!(note::Head::of_note(&good).is_err(), "nor is it a checkpoint");
    }
}
