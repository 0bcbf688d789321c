//! How the fuzz targets are run. A target is a unit test in a module named `fuzz`, beside the
//! decoder that it feeds, so that a private decoder stays private: a property that must hold of
//! any bytes, and a name. The inputs that are kept for it lie beside it, in
//! `__fuzz__/<name>`, with those that once broke it.
//!
//! - **Briefly**, with `cargo test`: every kept input, and what is one step from it
//!   ([`neighbours`]). The same each time.
//! - **Longer**, with `tests/fuzz`: libFuzzer, from the kept inputs on, led by what it covers.
//!
//! A property says what is wrong by panicking, as a test does.

use std::path::{Path, PathBuf};

#[cfg(fuzzing)]
#[expect(unsafe_code, reason = "libFuzzer is C++")]
mod libfuzzer;

/// The most neighbours of one kept input that are tried: a long one is changed at fewer places.
const MOST_NEIGHBOURS: usize = 1_000;

/// Runs a fuzz target: `fuzz!("nik", nik)`. The name is that of the folder of its inputs.
#[macro_export]
macro_rules! fuzz {
    ($name:literal, $property:expr) => {
        $crate::run(&$crate::kept_in(env!("CARGO_MANIFEST_DIR"), file!(), $name), $property)
    };
}

/// Holds inputs against the property: those in the folder and their neighbours, or, under libFuzzer,
/// what that makes of them, until its time is over.
///
/// # Panics
/// When the property does, with the input that broke it; and when no inputs are kept.
pub fn run(folder: &Path, property: fn(&[u8])) {
    let kept = inputs(folder);
    assert!(!kept.is_empty(), "no inputs are kept in {}", folder.display());
    #[cfg(fuzzing)]
    libfuzzer::run(folder, property);
    #[cfg(not(fuzzing))]
    briefly(kept, property);
}

#[cfg(not(fuzzing))]
fn briefly(kept: Vec<(PathBuf, Vec<u8>)>, property: fn(&[u8])) {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    for (path, input) in kept {
        for input in std::iter::once(input.clone()).chain(neighbours(&input)) {
            let held = catch_unwind(AssertUnwindSafe(|| property(&input)));
            assert!(
                held.is_ok(),
                "broken near {} by {input:?}: {:?}",
                path.display(),
                String::from_utf8_lossy(&input)
            );
        }
    }
}

/// Where the inputs of a target are kept. `file` is where it is written, as the compiler has it:
/// from the workspace's root on, or whole.
#[must_use]
pub fn kept_in(package: &str, file: &str, name: &str) -> PathBuf {
    let beside = |root: &Path| root.join(file).with_file_name("__fuzz__").join(name);
    let folders = || Path::new(package).ancestors().map(beside);
    folders().find(|folder| folder.is_dir()).unwrap_or_else(|| beside(Path::new(package)))
}

fn inputs(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let read = |path: PathBuf| std::fs::read(&path).ok().map(|input| (path, input));
    let mut inputs: Vec<_> = files.filter_map(|file| read(file.path())).collect();
    inputs.sort();
    inputs
}

/// What is one step from an input: the input cut short, without one of its bytes, with one of them
/// twice, or with another in its place. The same each time, and without the input itself.
pub fn neighbours(input: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    // Ends and edges of the texts, numbers and lengths that formats are made of.
    const OTHERS: [u8; 10] = [b'0', b'9', b'-', b'e', b'"', b' ', b'{', 0, 0x7f, 0xff];
    let ways = OTHERS.len() + 3;
    let step = (input.len() * ways).div_ceil(MOST_NEIGHBOURS).max(1);
    (0..input.len()).step_by(step).flat_map(move |at| {
        let (before, after) = (&input[..at], &input[at + 1..]);
        let byte = input[at];
        let with = move |between: &[u8]| [before, between, after].concat();
        let others = OTHERS.into_iter().filter(move |other| *other != byte);
        let changed = others.map(move |other| with(&[other]));
        [before.to_vec(), with(&[]), with(&[byte, byte])].into_iter().chain(changed)
    })
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    fn example() -> PathBuf {
        kept_in(env!("CARGO_MANIFEST_DIR"), file!(), "example")
    }

    #[test]
    fn neighbours_are_one_step_away_and_are_the_same_each_time() {
        let near: Vec<_> = neighbours(b"a0").collect();
        assert_eq!(near, neighbours(b"a0").collect::<Vec<_>>());
        for expected in [&b""[..], b"0", b"a", b"aa0", b"a00", b"a9", b"\xff0"] {
            assert!(near.iter().any(|it| it == expected), "{expected:?}");
        }
        assert!(near.iter().all(|it| it != b"a0"));
        assert_eq!(neighbours(b"").count(), 0);
    }

    #[test]
    fn a_long_input_has_few_neighbours() {
        let near = neighbours(&[b'x'; 100_000]).count();
        assert!((500..=MOST_NEIGHBOURS + 20).contains(&near), "{near}");
    }

    #[test]
    fn a_property_that_breaks_at_a_kept_input_or_near_it_is_found() {
        let broken = |property: fn(&[u8])| catch_unwind(|| run(&example(), property)).is_err();
        assert!(broken(|bytes| assert!(bytes != b"kept", "itself")));
        assert!(broken(|bytes| assert!(bytes != b"kep", "cut")));
        assert!(!broken(|_| ()));
    }

    #[test]
    fn a_target_without_kept_inputs_is_a_mistake() {
        let nowhere = kept_in(env!("CARGO_MANIFEST_DIR"), file!(), "nowhere");
        assert!(catch_unwind(|| run(&nowhere, |_| ())).is_err());
    }
}
