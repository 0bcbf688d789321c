//! The walk-through, as a visitor starts it.

use crate::gateway::run;

#[test]
fn the_walk_shows_seven_steps_with_receipts_and_nobodys_nik() {
    let data = tempfile::tempdir().unwrap();
    let (status, out, err) = run(&[
        "dev",
        "--walk",
        "--listen",
        "127.0.0.1:0",
        "--operators",
        "127.0.0.1:0",
        "--sandbox",
        "127.0.0.1:0",
        "--data",
        data.path().to_str().unwrap(),
    ]);
    assert_eq!(status, Some(0), "{out}\n{err}");
    let lines: Vec<_> = out.lines().collect();
    for step in 1..=5 {
        let begins = format!("{step}  ");
        let at = lines.iter().position(|line| line.starts_with(&begins));
        let at = at.unwrap_or_else(|| panic!("step {step} is missing:\n{out}"));
        let rest = &lines[at + 1..];
        let end =
            rest.iter().position(|line| line.starts_with(|first: char| first.is_ascii_digit()));
        let of_step = &rest[..end.unwrap_or(rest.len())];
        assert!(of_step.iter().any(|line| line.contains("entry ")), "step {step}:\n{out}");
    }
    assert!(lines.iter().any(|line| line.contains("identity: VERIFIED")), "{out}");
    for part in ["workers", "facilities", "development"] {
        assert!(lines.iter().any(|line| line.trim() == format!("{part}: AVAILABLE")), "{out}");
    }
    for ministry in ["KEMENKES", "KEMNAKER"] {
        let delivered = format!("{ministry}: DELIVERED");
        assert!(lines.iter().any(|line| line.trim().starts_with(&delivered)), "{out}");
    }
    let head = lines.iter().find(|line| line.starts_with("7  Witnesses"));
    let head = head.unwrap_or_else(|| panic!("step 7 is missing:\n{out}"));
    assert!(head.ends_with("is witnessed 3 of 3"), "{head}");
    let entries: Vec<u64> = out
        .split("entry ")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap())
        .collect();
    assert!(entries.is_sorted_by(|before, after| before < after), "{entries:?}");
    for text in [&out, &err] {
        let nik = text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .find(|word| word.len() == 16 && word.bytes().all(|b| b.is_ascii_digit()));
        assert_eq!(nik, None);
    }
}
