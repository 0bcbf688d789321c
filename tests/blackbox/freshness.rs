//! How fresh an answer is: when the copy answers, when the register is asked, and what a caller is
//! told when it gives no answer.

use std::time::Duration;

use desmigratif_core::access::AgencyKind::{Kemendagri, Kemendes, Kemenkes};
use desmigratif_core::identity::Outcome;
use desmigratif_proto::common::v1::{AgencyKind as Wire, Availability, Provenance};
use desmigratif_proto::identity::v1::{
    ElementVerdict, IdentityElement, IdentityOutcome, VerifyIdentityRequest,
};
use desmigratif_proto::village::v1::village_service_client::VillageServiceClient;
use desmigratif_proto::village::v1::{GetVillageProfileRequest, GetVillageProfileResponse};
use desmigratif_sandbox::fixtures::{IdentityOutcome as Fixed, fixtures};
use desmigratif_sandbox::{Fault, people};
use tonic::transport::Channel;

use crate::calls::{
    at_most, first_village, look_up, register, registration, registration_of, submission, submit,
    verification, verify,
};
use crate::country::{Country, Ways, eventually};
use crate::gateway::{KENANGA, fresh_nik, stating};

/// The question whether the verified person is who the papers say.
fn question(seconds: i64, refuse_stale: bool) -> VerifyIdentityRequest {
    let person = people::candidate(people::VERIFIED);
    let mut request = verification(&person.nik, &person.name, person.birth_date);
    request.freshness = at_most(seconds, refuse_stale);
    request
}

fn is_available(status: &Provenance) -> bool {
    status.availability() == Availability::Available
        && status.as_of.is_some()
        && status.reason_en.is_empty()
        && status.reason_id.is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn inside_the_bound_the_copy_answers_and_beyond_it_the_register() {
    let country = Country::start(&Ways::default()).await;
    let kemendagri = country.gateway.connect("kemendagri").await;
    let calls = || country.sandbox.ledger().calls(Kemendagri);
    let before = calls();
    // There is no copy yet.
    let first = verify(&kemendagri, question(3_600, false)).await.unwrap();
    assert_eq!((first.outcome(), calls()), (IdentityOutcome::Verified, before + 1));
    let copied = verify(&kemendagri, question(3_600, false)).await.unwrap();
    assert_eq!(calls(), before + 1, "the copy answers");
    assert_eq!((copied.outcome(), &copied.results), (first.outcome(), &first.results));
    let as_of = |it: &Provenance| it.as_of.map(|at| (at.seconds, at.nanos)).unwrap();
    let (first_status, copied_status) = (first.status.unwrap(), copied.status.unwrap());
    assert!(is_available(&first_status) && is_available(&copied_status), "{copied_status:?}");

    let asked = verify(&kemendagri, question(0, false)).await.unwrap();
    assert_eq!(calls(), before + 2, "the register is asked in any case");
    assert!(as_of(&asked.status.unwrap()) > as_of(&copied_status));
    // Another claim about the same person is another question.
    let mut other = question(3_600, false);
    other.elements.as_mut().unwrap().name = "Contoh Orang Lain".into();
    let other = verify(&kemendagri, other).await.unwrap();
    assert_eq!((other.outcome(), calls()), (IdentityOutcome::Mismatch, before + 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_register_the_copy_is_marked_stale_or_refused() {
    let country = Country::start(&Ways::default()).await;
    let kemendagri = country.gateway.connect("kemendagri").await;
    let fresh = verify(&kemendagri, question(0, false)).await.unwrap();
    country.fault(Kemendagri, Fault::Down);

    let stale = verify(&kemendagri, question(0, false)).await.unwrap();
    assert_eq!((stale.outcome(), &stale.results), (fresh.outcome(), &fresh.results));
    let status = stale.status.unwrap();
    assert_eq!((status.owner(), status.availability()), (Wire::Kemendagri, Availability::Stale));
    assert!(status.as_of.is_some(), "it says since when");
    assert!(status.reason_en.contains("cannot be reached"), "{status:?}");
    assert!(status.reason_id.contains("tidak dapat dihubungi"), "{status:?}");

    let none = verify(&kemendagri, question(0, true)).await.unwrap();
    assert_eq!(none.outcome(), IdentityOutcome::Unavailable);
    assert!(none.results.is_empty(), "{none:?}");
    let status = none.status.unwrap();
    assert_eq!((status.availability(), status.as_of), (Availability::Unavailable, None));
    assert!(!status.reason_en.is_empty() && !status.reason_id.is_empty(), "{status:?}");
    // A copy inside the bound is not stale, whatever the register does.
    let copied = verify(&kemendagri, question(3_600, true)).await.unwrap();
    assert!(is_available(&copied.status.unwrap()));
    // Of someone else there is no copy.
    let nik = fresh_nik();
    let unknown = verification(&nik, "Contoh Ratna Sari", jiff::civil::date(1990, 1, 15));
    let unknown = verify(&kemendagri, unknown).await.unwrap();
    assert_eq!(unknown.outcome(), IdentityOutcome::Unavailable);
    assert_eq!(unknown.status.unwrap().availability(), Availability::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_equal_questions_at_once_are_one_at_the_register() {
    let country = Country::start(&Ways { timeout_ms: 20_000, ..Ways::default() }).await;
    assert_eq!(fifty_at_once(&country).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_equal_questions_about_a_worker_are_all_answered_and_recorded() {
    let country = Country::start(&Ways { timeout_ms: 20_000, ..Ways::default() }).await;
    let kemnaker = country.gateway.connect("kemnaker").await;
    let person = people::candidate(people::VERIFIED);
    register(&kemnaker, registration_of(&person)).await.unwrap();
    // Each writes the same record, and none of them asks again for that.
    assert_eq!(fifty_at_once(&country).await, 1);
}

/// Asks the same fifty times while the register is slow; answers with how often it was asked.
async fn fifty_at_once(country: &Country) -> u64 {
    let kemendagri = country.gateway.connect("kemendagri").await;
    country.fault(Kemendagri, Fault::Latency(Duration::from_secs(3)));
    let before = country.sandbox.ledger().calls(Kemendagri);
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let kemendagri = kemendagri.clone();
            tokio::spawn(async move { verify(&kemendagri, question(0, false)).await })
        })
        .collect();
    for call in calls {
        let answer = call.await.unwrap().unwrap();
        assert_eq!(answer.outcome(), IdentityOutcome::Verified);
        assert!(is_available(&answer.status.unwrap()));
    }
    country.sandbox.ledger().calls(Kemendagri) - before
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_the_register_reaches_the_caller_as_what_it_is() {
    let country = Country::start(&Ways::default()).await;
    let kemendagri = country.gateway.connect("kemendagri").await;
    // Spelling and key names of the answers change from call to call: each is asked several times.
    for fixture in fixtures().identities.iter().cycle().take(5 * fixtures().identities.len()) {
        let (expected, reason) = match fixture.outcome {
            Fixed::Outcome(Outcome::Verified) | Fixed::FuzzyName => (IdentityOutcome::Verified, ""),
            Fixed::Outcome(Outcome::Mismatch) => (IdentityOutcome::Mismatch, ""),
            Fixed::Outcome(Outcome::Deceased) => (IdentityOutcome::Deceased, ""),
            Fixed::Outcome(Outcome::Duplicate) => (IdentityOutcome::Duplicate, ""),
            Fixed::Outcome(Outcome::NotFound) => (IdentityOutcome::NotFound, ""),
            Fixed::Outcome(Outcome::Inactive) => (IdentityOutcome::Inactive, ""),
            Fixed::IllFormed => (IdentityOutcome::Rejected, "refused the question"),
            Fixed::Outcome(Outcome::QuotaExhausted) => (IdentityOutcome::QuotaExhausted, "quota"),
            Fixed::LoginRefused | Fixed::AddressUnknown => {
                (IdentityOutcome::Unavailable, "does not accept this gateway")
            }
            Fixed::Outcome(_) => panic!("no fixture has it"),
        };
        let mut request = verification(&fixture.nik, &fixture.name, fixture.birth_date);
        request.freshness = at_most(0, true);
        let answer = verify(&kemendagri, request).await.unwrap();
        let status = answer.status.clone().unwrap();
        assert_eq!(answer.outcome(), expected, "{answer:?}");
        let answered = reason.is_empty();
        assert_eq!(is_available(&status), answered, "{status:?}");
        let unavailable = status.availability() == Availability::Unavailable;
        assert_eq!(unavailable, !answered, "{status:?}");
        assert!(status.reason_en.contains(reason), "{status:?}");
        let name = answer.results.iter().find(|it| it.element() == IdentityElement::Name);
        let verdict = name.map(|name| name.verdict());
        let fits = match fixture.outcome {
            Fixed::Outcome(Outcome::Verified) => verdict == Some(ElementVerdict::Match),
            Fixed::FuzzyName => verdict == Some(ElementVerdict::Fuzzy),
            Fixed::Outcome(Outcome::Mismatch) => verdict == Some(ElementVerdict::Mismatch),
            // Nothing is said of elements, a death or a double record included.
            _ => answer.results.is_empty(),
        };
        assert!(fits, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_register_leaves_what_was_known_of_a_worker() {
    let country = Country::start(&Ways::default()).await;
    let kemnaker = country.gateway.connect("kemnaker").await;
    let kemendagri = country.gateway.connect("kemendagri").await;
    let person = people::candidate(people::VERIFIED);
    register(&kemnaker, registration_of(&person)).await.unwrap();
    verify(&kemendagri, question(0, false)).await.unwrap();
    let known = look_up(&kemnaker, "placement-screening", &person.nik).await.unwrap();
    country.fault(Kemendagri, Fault::Html);
    verify(&kemendagri, question(0, false)).await.unwrap();
    verify(&kemendagri, question(0, true)).await.unwrap();
    let now = look_up(&kemnaker, "placement-screening", &person.nik).await.unwrap();
    assert_eq!(now.worker, known.worker);
}

async fn profile(agency: &Channel) -> GetVillageProfileResponse {
    let request = GetVillageProfileRequest { code: KENANGA.into(), freshness: None };
    let request = stating("programme-planning", request);
    VillageServiceClient::new(agency.clone())
        .get_village_profile(request)
        .await
        .unwrap()
        .into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_silent_ministry_fails_no_call_that_does_not_need_it() {
    let country = Country::start(&Ways::default()).await;
    country.fault(Kemendes, Fault::Down);
    country.fault(Kemenkes, Fault::Latency(Duration::from_secs(5)));
    let kemendes = country.gateway.connect("kemendes").await;
    let kemnaker = country.gateway.connect("kemnaker").await;
    let kemendagri = country.gateway.connect("kemendagri").await;
    let clinic = country.gateway.connect("klinik-indramayu").await;
    for _ in 0..5 {
        let village = first_village(&kemendes, "32.12.16").await;
        assert!(village.code.starts_with("32.12.16"));
        let nik = fresh_nik();
        register(&kemnaker, registration(&nik)).await.unwrap();
        let handed_in = submit(&clinic, submission(&nik)).await.unwrap();
        let verified = verify(&kemendagri, question(0, false)).await.unwrap();
        assert!(is_available(&verified.status.unwrap()));
        let profile = profile(&kemendes).await;
        assert!(is_available(&profile.workforce.unwrap().status.unwrap()));
        let health = profile.health.unwrap();
        assert_eq!(health.status.unwrap().availability(), Availability::Stale);
        assert_eq!(health.nearest_facilities.len(), 3, "the exchange knows where they are");
        let development = profile.development.unwrap();
        let status = development.status.unwrap();
        assert_eq!(status.availability(), Availability::Unavailable);
        assert!(status.reason_id.contains("tidak dapat dihubungi"), "{status:?}");
        eventually("Kemnaker gets the clearance", async || {
            let delivered = country.deliveries(&["--ministry", "kemnaker", "--state", "delivered"]);
            delivered.iter().any(|it| it.record == handed_in.clearance_id).then_some(())
        })
        .await;
    }
    country.lift();
    country.settled().await;
    let profile = eventually("every part is there again", async || {
        let profile = profile(&kemendes).await;
        let health = profile.health.as_ref()?.status.as_ref()?;
        let development = profile.development.as_ref()?.status.as_ref()?;
        let all = is_available(health) && is_available(development);
        all.then_some(profile)
    })
    .await;
    assert!(profile.development.unwrap().index_year >= 2024);
}
