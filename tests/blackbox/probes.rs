//! `check` against ministries that answer, and against such as do not: what it says of each.

use std::process::{Command, Stdio};

use desmigratif_core::access::AgencyKind::{self, Kemendagri, Kemendes, Kemenkes, Kemnaker};
use desmigratif_sandbox::Fault;

use crate::country::{Country, Ministries, Ways, eventually};
use crate::gateway::{binary, run};

const ALL: [AgencyKind; 4] = [Kemnaker, Kemendagri, Kemenkes, Kemendes];

impl Ministries {
    /// Checks without the store: exit status, stdout, stderr.
    fn check(&self) -> (Option<i32>, String, String) {
        run(&["check", "--no-store", "--config", self.config().to_str().unwrap()])
    }
}

/// What is said of a ministry.
fn line(out: &str, ministry: AgencyKind) -> &str {
    let lines: Vec<_> = out.lines().filter(|it| it.starts_with(ministry.as_str())).collect();
    assert_eq!(lines.len(), 1, "{out}");
    lines[0]
}

/// That the check fails, says these words of one ministry, and nothing bad of the others.
fn blames(checked: (Option<i32>, String, String), ministry: AgencyKind, words: &[&str]) {
    let (status, out, err) = checked;
    assert_eq!(status, Some(1), "{out}{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.contains("1 of the ministries cannot be used"), "{err}");
    for word in words {
        assert!(line(&out, ministry).contains(word), "no {word:?}: {out}");
    }
    for other in ALL.into_iter().filter(|it| *it != ministry) {
        assert!(line(&out, other).ends_with(": answers"), "{out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_of_every_ministry_that_it_answers_while_the_gateway_runs_too() {
    let country = Country::start(&Ways::default()).await;
    let config = country.gateway.data().join("gateway.toml");
    let (status, out, err) = run(&["check", "--no-store", "--config", config.to_str().unwrap()]);
    assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
    for (ministry, protocol) in ALL.into_iter().zip(["connector", "dukcapil", "satusehat", "idm"]) {
        let line = line(&out, ministry);
        assert!(line.contains(protocol) && line.ends_with(": answers"), "{out}");
    }
    assert!(out.contains("store          not looked at"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_whose_fault_it_is_that_a_ministry_does_not_answer() {
    let ministries = Ministries::start(&Ways::default()).await;
    let theirs = "the ministry's system or the network between";
    let something_else = "something else answers at the url";
    let not_accepted = "does not accept this gateway";
    for ministry in ALL {
        for (fault, kind, advice) in [
            (Fault::Down, "unavailable: ", theirs),
            (Fault::Html, "malformed: ", something_else),
            (Fault::Quota, "quota: ", "agreed number of calls is used up"),
            (Fault::TokenExpired, "credentials: ", not_accepted),
        ] {
            // It has neither tokens nor logins.
            if (ministry, fault) == (Kemendes, Fault::TokenExpired) {
                continue;
            }
            ministries.sandbox.switch().set(ministry, Some(fault));
            blames(ministries.check(), ministry, &[kind, advice]);
        }
        ministries.sandbox.switch().clear();
    }
    // Secrets that the ministries do not know.
    for (ministry, file) in
        [(Kemendagri, "dukcapil-password"), (Kemenkes, "satusehat-client-secret")]
    {
        let path = ministries.folder.path().join("secrets").join(file);
        let right = std::fs::read(&path).unwrap();
        std::fs::write(&path, "contoh-wrong-one").unwrap();
        let checked = ministries.check();
        assert!(!checked.1.contains("contoh-wrong-one") && !checked.2.contains("contoh-wrong-one"));
        blames(checked, ministry, &["credentials: ", not_accepted]);
        std::fs::write(&path, right).unwrap();
    }
    let (status, out, err) = ministries.check();
    assert_eq!(status, Some(0), "{out}{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_is_a_bad_configuration() {
    let ministries = Ministries::start(&Ways::default()).await;
    std::fs::remove_file(ministries.folder.path().join("secrets/dukcapil-password")).unwrap();
    let (status, out, err) = ministries.check();
    assert_eq!(status, Some(64), "{out}{err}");
    assert!(err.contains("ministry.kemendagri") && err.contains("dukcapil-password"), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_waits_is_content_when_the_ministry_is_back_meanwhile() {
    let ministries = Ministries::start(&Ways::default()).await;
    ministries.sandbox.switch().set(Kemendes, Some(Fault::Http500));
    let mut command = Command::new(binary());
    command.args(["check", "--no-store", "--wait", "60", "--config"]).arg(ministries.config());
    let check = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("the failing ministry has been asked", async || {
        (ministries.sandbox.ledger().calls(Kemendes) > 0).then_some(())
    })
    .await;
    ministries.sandbox.switch().clear();
    let output = check.wait_with_output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{out}");
    assert!(line(&out, Kemendes).ends_with(": answers"), "{out}");
}
