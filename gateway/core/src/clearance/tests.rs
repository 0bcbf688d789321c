use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::nik::Nik;
use crate::subject::SubjectKey;

/// A fit clearance for Hong Kong.
pub(crate) fn clearance(issued_on: Date) -> Clearance {
    let nik = Nik::parse("9901014501900001").unwrap();
    Clearance {
        id: Uuid::nil(),
        worker_id: Uuid::nil(),
        subject: SubjectKey::from_bytes([0; 32]).pseudonym(&nik),
        facility_id: "klinik".into(),
        home: None,
        submitted_by: AgencyId::parse("klinik").unwrap(),
        certificate_number: "1".into(),
        examined_on: issued_on,
        issued_on,
        destination: Country::parse("HK").unwrap(),
        conclusion: Conclusion::Fit,
        examiner: Examiner { name: PersonName::parse("Contoh").unwrap(), sip_number: "1".into() },
        findings: Vec::new(),
        pregnancy_test: None,
        revocation: None,
    }
}

#[test]
fn three_months_are_calendar_months() {
    let policy = ValidityPolicy::default();
    let until = |issued| clearance(issued).valid_until(&policy);
    assert_eq!(until(date(2026, 8, 24)), Some(date(2026, 11, 24)));
    assert_eq!(until(date(2026, 11, 30)), Some(date(2027, 2, 28)));
    assert_eq!(until(date(2027, 11, 30)), Some(date(2028, 2, 29)));
}

#[test]
fn a_destination_may_count_otherwise() {
    let gulf = Country::parse("SA").unwrap();
    let policy = ValidityPolicy {
        by_destination: BTreeMap::from([(gulf, Validity::Days(60))]),
        ..ValidityPolicy::default()
    };
    let clearance = Clearance { destination: gulf, ..clearance(date(2026, 1, 1)) };
    assert_eq!(clearance.valid_until(&policy), Some(date(2026, 3, 2)));
}

#[test]
fn the_gravest_standing_is_the_one_told() {
    let policy = ValidityPolicy::default();
    let fit = clearance(date(2026, 8, 24));
    let on = |clearance: &Clearance, day| clearance.status_on(day, &policy);
    assert_eq!(on(&fit, date(2026, 11, 24)), ClearanceStatus::Valid);
    assert_eq!(on(&fit, date(2026, 11, 25)), ClearanceStatus::Expired);
    let test = PregnancyTest { tested_on: date(2026, 8, 24), result: PregnancyResult::Positive };
    let pregnant = Clearance { pregnancy_test: Some(test), ..fit };
    assert_eq!(on(&pregnant, date(2026, 8, 25)), ClearanceStatus::Void);
    let unfit = Clearance { conclusion: Conclusion::TemporarilyUnfit, ..pregnant };
    assert_eq!(on(&unfit, date(2026, 8, 25)), ClearanceStatus::NotFit);
    assert_eq!(unfit.valid_until(&policy), None);
    let revocation = Revocation { at: Timestamp::UNIX_EPOCH, reason: RevocationReason::Impostor };
    let revoked = Clearance { revocation: Some(revocation), ..unfit };
    assert_eq!(on(&revoked, date(2026, 8, 25)), ClearanceStatus::Revoked);
}

#[test]
fn a_pregnancy_found_elsewhere_voids_what_was_examined_before() {
    let fit = clearance(date(2026, 8, 24));
    let found = |tested_on| Clearance {
        pregnancy_test: Some(PregnancyTest { tested_on, result: PregnancyResult::Positive }),
        ..clearance(tested_on)
    };
    assert!(fit.voided_by(&found(date(2026, 8, 24))) && fit.voided_by(&found(date(2026, 9, 1))));
    assert!(!fit.voided_by(&found(date(2026, 8, 23))), "a pregnancy that is over");
    let revocation =
        Revocation { at: Timestamp::UNIX_EPOCH, reason: RevocationReason::IssuedInError };
    let withdrawn = Clearance { revocation: Some(revocation), ..found(date(2026, 9, 1)) };
    assert!(!fit.voided_by(&withdrawn) && !fit.voided_by(&fit));
}

#[test]
fn a_destination_is_a_country_and_not_indonesia() {
    for text in DESTINATIONS.split(' ') {
        assert_eq!(Country::parse(text).map(|it| it.to_string()).as_deref(), Ok(text));
    }
    assert_eq!(DESTINATIONS.split(' ').count(), 248);
    assert!(DESTINATIONS.split(' ').is_sorted());
    for text in ["ID", "UK", "ZZ", "hk", "HKG", "H1", "", "HK TW", "D A", " "] {
        assert_eq!(Country::parse(text), Err(NotACountry), "{text}");
    }
}

#[test]
fn nothing_of_a_clearance_can_be_printed() {
    let clearance = clearance(date(2026, 8, 24));
    assert_eq!(
        format!("{clearance:?} {:?} {:?}", clearance.conclusion, clearance.examiner),
        "Clearance(..) Conclusion(..) Examiner(..)"
    );
}

proptest! {
    #[test]
    fn days_are_neither_ahead_nor_out_of_order(a in 0_i64..9, b in 0_i64..9) {
        let day = |days| date(2016, 1, 1).saturating_add(Span::new().days(days));
        prop_assert_eq!(past_day(&day(a).to_string(), day(b)).is_ok(), a <= b);
        prop_assert_eq!(in_order(day(a), day(b)).is_ok(), a <= b);
    }

    #[test]
    fn a_clearance_is_valid_on_every_day_up_to_its_last_and_on_none_after(
        days in 0_i64..8_000, later in 0_i64..400, months in 1_u8..=12,
    ) {
        let issued = date(2016, 1, 1).saturating_add(Span::new().days(days));
        let policy = ValidityPolicy {
            default_validity: Validity::Months(months),
            ..ValidityPolicy::default()
        };
        let clearance = clearance(issued);
        let until = clearance.valid_until(&policy).unwrap();
        prop_assert!(until > issued);
        let day = issued.saturating_add(Span::new().days(later));
        let valid = clearance.status_on(day, &policy) == ClearanceStatus::Valid;
        prop_assert_eq!(valid, day <= until);
    }
}
