//! What the built-in policy promises, and what every policy set must.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use desmigratif_core::agency::AgencyStatus;
use desmigratif_core::region::{RegionCode, VillageCode};

use super::files::{File, SCHEMA};
use super::*;

use AgencyKind::{Clinic, Kemendes, Kemenkes, Kemnaker, RegionalOffice};
use DataClass::HealthDetail;

const MATRIX: &str = include_str!("../policies/matrix.txt");
const GENERATED: &str = "// What follows is made from the contract:";

fn agency(kind: AgencyKind) -> Arc<Agency> {
    Arc::new(Agency {
        id: AgencyId::parse("agency").unwrap(),
        kind,
        name: String::new(),
        purposes: BTreeSet::from(Purpose::ALL),
        status: AgencyStatus::Active,
        region: None,
        facility: None,
        certificates: Vec::new(),
    })
}

fn village(code: &str) -> VillageCode {
    VillageCode::parse(code).unwrap()
}

/// A call that is not signed.
fn unsigned<'a>(path: &'a str, purpose: Option<&'a str>) -> Attempt<'a> {
    Attempt { path, purpose, signed: false }
}

/// The built-in policy, read once for all tests.
fn built_in() -> Arc<Policy> {
    static BUILT_IN: LazyLock<Arc<Policy>> =
        LazyLock::new(|| Policy::load(Source::BuiltIn).unwrap());
    BUILT_IN.clone()
}

/// Compares a file of the source with what it should be; UPDATE_GOLDEN=1 writes it instead.
fn golden(name: &str, there: &str, should_be: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/access/policies");
        std::fs::write(folder.join(name), should_be).unwrap();
        return;
    }
    let (old, new): (BTreeSet<_>, BTreeSet<_>) =
        (there.lines().collect(), should_be.lines().collect());
    let gone: Vec<_> = old.difference(&new).collect();
    let come: Vec<_> = new.difference(&old).collect();
    assert!(
        there == should_be,
        "{name} differs from the policies and the contract.\nOnly in the file: {gone:#?}\nOnly in \
         fact: {come:#?}\nIf that is meant, write it anew, read the diff and commit it:\n    \
         UPDATE_GOLDEN=1 cargo test -p desmigratif --lib policy"
    );
}

/// Methods as the matrix shows them: by service, by name.
fn shown<'a>(methods: impl Iterator<Item = &'a Method>) -> String {
    let mut services: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for method in methods {
        let service = method.service.rsplit('.').next().unwrap();
        services.entry(service).or_default().insert(method.name);
    }
    let shown = services.iter().map(|(service, names)| {
        format!("{service}({})", names.iter().copied().collect::<Vec<_>>().join(" "))
    });
    shown.collect::<Vec<_>>().join(" ")
}

fn classes(classes: Classes) -> String {
    classes.iter().map(class_name).collect::<Vec<_>>().join(" ")
}

/// What `authorise` lets an agency of a kind do for a purpose: classes and methods, as the gate
/// asks it, call by call.
fn decided(policy: &Policy, kind: AgencyKind, purpose: Option<Purpose>) -> Option<String> {
    let agency = agency(kind);
    let stated = purpose.map(Purpose::as_str);
    let permits: Vec<_> = METHODS
        .iter()
        .filter(|method| open(method) == purpose.is_none())
        .filter_map(|method| policy.authorise(&agency, unsigned(method.path, stated)).ok())
        .collect();
    let first = permits.first()?;
    assert!(permits.iter().all(|permit| permit.classes() == first.classes()));
    Some(format!("{} | {}", classes(first.classes()), shown(permits.iter().map(|it| it.method()))))
}

fn matrix(policy: &Policy) -> String {
    let mut lines: Vec<_> = MATRIX.lines().take(3).map(str::to_owned).collect();
    let open: BTreeSet<_> =
        AgencyKind::ALL.into_iter().map(|kind| decided(policy, kind, None)).collect();
    for open in open {
        lines.push(format!("every kind | none | {}", open.unwrap_or_default()));
    }
    for kind in AgencyKind::ALL {
        for purpose in Purpose::ALL {
            if let Some(decided) = decided(policy, kind, Some(purpose)) {
                lines.push(format!("{} | {} | {decided}", kind.as_str(), purpose.as_str()));
            }
        }
    }
    lines.extend([String::new(), "# kind | region | records that it reaches".to_owned()]);
    for kind in AgencyKind::ALL {
        for region in [None, Some(RegionCode::parse("32.12").unwrap())] {
            let agency = Arc::new(Agency { region, ..(*agency(kind)).clone() });
            let who_am_i = "/desmigratif.access.v1.AccessService/WhoAmI";
            let reach = policy.authorise(&agency, unsigned(who_am_i, None)).unwrap().reach;
            let places = match (region, reach.places_in_region, reach.places_elsewhere) {
                (None, _, true) | (Some(_), true, true) => "all places",
                (Some(_), true, false) => "places in its region",
                (Some(_), false, true) => "places outside its region",
                (_, _, false) => "no places",
            };
            let clearances = match (reach.own_clearances, reach.others_clearances) {
                (true, true) => "all clearances",
                (true, false) => "its own clearances",
                (false, true) => "others' clearances",
                (false, false) => "no clearances",
            };
            let entries = match (reach.own_entries, reach.setting_entries, reach.others_entries) {
                (true, true, true) => "all entries",
                (true, true, false) => "its own entries and those of settings",
                (own, setting, others) => {
                    panic!("a word for {own}, {setting}, {others}")
                }
            };
            let region = if region.is_some() { "a region" } else { "no region" };
            lines.push(format!("{} | {region} | {places}, {clearances}, {entries}", kind.as_str()));
        }
    }
    lines.join("\n") + "\n"
}

/// The schema's part that the contract and the core's closed lists make.
fn generated() -> String {
    let list = |name: &str, values: Vec<&str>| {
        let values = values.iter().map(|value| format!("  \"{value}\"")).collect::<Vec<_>>();
        format!("entity {name} enum [\n{}\n];\n\n", values.join(",\n"))
    };
    let mut text = list("Kind", AgencyKind::ALL.map(AgencyKind::as_str).into());
    text += &list("Purpose", Purpose::ALL.map(Purpose::as_str).into());
    for class in DataClass::ALL {
        // What is open to all shows what is public, and can never be made to show more.
        let on = if class == DataClass::Public { "[Purpose, Exchange]" } else { "Purpose" };
        let class = class_name(class);
        text += &format!(
            "action \"see/{class}\" appliesTo {{ principal: Agency, resource: {on}, context: Call }};\n"
        );
    }
    text += "\n";
    for method in METHODS.iter().filter(|method| callable(method.path).is_some()) {
        let (group, on) =
            if open(method) { (" in [\"open\"]", "Exchange") } else { ("", "Purpose") };
        let name = rules::short_name(method);
        text += &format!(
            "action \"{name}\"{group} appliesTo {{ principal: Agency, resource: {on}, context: Call }};\n"
        );
    }
    text
}

#[test]
fn who_may_do_what_is_what_the_reviewed_matrix_says() {
    golden("matrix.txt", MATRIX, &matrix(&built_in()));
}

#[test]
fn the_schema_names_every_method_kind_purpose_and_class_of_the_contract() {
    let at = SCHEMA.text.find(GENERATED).expect("the schema says where its generated part begins");
    let length = SCHEMA.text[at..].find("\n\n").expect("an empty line after the words") + 2;
    let written = &SCHEMA.text[..at + length];
    golden(SCHEMA.name, SCHEMA.text, &(written.to_owned() + &generated()));
}

/// The matrix is read back, so that what it does not list is seen to be refused.
#[test]
fn what_the_matrix_does_not_list_is_refused_over_the_whole_matrix() {
    let policy = built_in();
    let listed: BTreeMap<(&str, &str), &str> = MATRIX
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let cells: Vec<_> = line.split(" | ").collect();
            let [kind, purpose, _, methods] = cells[..] else { return None };
            Some(((kind, purpose), methods))
        })
        .collect();
    let holds = |methods: &str, method: &Method| {
        let service = format!("{}(", method.service.rsplit('.').next().unwrap());
        let of_service = methods.split(") ").find_map(|part| part.strip_prefix(&service));
        let mut names =
            of_service.into_iter().flat_map(|names| names.trim_end_matches(')').split(' '));
        names.any(|name| name == method.name)
    };
    let (mut allowed, mut refused) = (0, 0);
    for kind in AgencyKind::ALL {
        let agency = agency(kind);
        for purpose in Purpose::ALL {
            let methods = listed.get(&(kind.as_str(), purpose.as_str())).copied();
            for method in METHODS {
                let decision =
                    policy.authorise(&agency, unsigned(method.path, Some(purpose.as_str())));
                let listed = methods.is_some_and(|methods| holds(methods, method));
                let expected = open(method) || listed;
                assert_eq!(decision.is_ok(), expected, "{kind:?} {purpose:?} {method:?}");
                *if decision.is_ok() { &mut allowed } else { &mut refused } += 1;
            }
        }
    }
    assert!(allowed > 0 && refused > allowed, "{allowed} allowed, {refused} refused");
}

#[test]
fn every_method_that_discloses_or_changes_is_granted_to_someone_and_refused_to_someone() {
    let policy = built_in();
    let mut answers: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for kind in AgencyKind::ALL {
        let agency = agency(kind);
        for purpose in Purpose::ALL {
            for method in METHODS {
                if matches!(method.effect, Effect::Disclose | Effect::Change | Effect::Attest) {
                    let attempt = unsigned(method.path, Some(purpose.as_str()));
                    let allowed = policy.authorise(&agency, attempt).is_ok();
                    answers.entry(method.path).or_default().insert(allowed);
                }
            }
        }
    }
    for (path, answers) in answers {
        assert!(answers.contains(&true), "{path} can be called by nobody");
        assert!(answers.contains(&false), "{path} can be called by everybody");
    }
}

#[test]
fn what_the_gateway_itself_calls_is_called_by_nobody() {
    let policy = built_in();
    let outbound = METHODS.iter().filter(|method| method.effect == Effect::Outbound);
    let mut count = 0;
    for method in outbound {
        for kind in AgencyKind::ALL {
            let agency = agency(kind);
            for purpose in Purpose::ALL {
                let refusal =
                    policy.authorise(&agency, unsigned(method.path, Some(purpose.as_str())));
                assert_eq!(refusal.expect_err("outbound"), Refusal::MethodUnknown);
            }
        }
        count += 1;
    }
    assert_eq!(count, 2, "Deliver and Lookup");
}

#[test]
fn laboratory_values_are_for_kemenkes_and_clinics_alone() {
    let policy = built_in();
    let seen = |kind, purpose| {
        policy.grant(&agency(kind), purpose).is_some_and(|it| it.classes.contains(HealthDetail))
    };
    let kinds: Vec<_> = AgencyKind::ALL
        .into_iter()
        .filter(|kind| Purpose::ALL.into_iter().any(|purpose| seen(*kind, purpose)))
        .collect();
    assert_eq!(kinds, [Kemenkes, Clinic]);
}

#[test]
fn a_purpose_must_be_stated_known_and_held() {
    let path = "/desmigratif.worker.v1.WorkerService/GetWorker";
    let policy = built_in();
    let mut without = (*agency(Kemnaker)).clone();
    without.purposes.clear();
    let refusal = |agency: &Arc<Agency>, purpose| {
        policy.authorise(agency, unsigned(path, purpose)).expect_err("no grant")
    };
    assert_eq!(refusal(&agency(Kemnaker), None), Refusal::PurposeMissing);
    assert_eq!(refusal(&agency(Kemnaker), Some("curiosity")), Refusal::PurposeUnknown);
    let held = Some("placement-screening");
    assert_eq!(refusal(&Arc::new(without), held), Refusal::PurposeNotHeld);
    assert_eq!(refusal(&agency(Kemendes), held), Refusal::NotPermitted);
    let unknown = policy.authorise(&agency(Kemnaker), unsigned("/x.Y/Z", held));
    assert_eq!(unknown.expect_err("no method"), Refusal::MethodUnknown);
}

/// A folder with the built-in files, one of them changed.
fn changed(name: &str, change: impl FnOnce(&str) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut change = Some(change);
    for File { name: file, text } in files::BUILT_IN {
        let text = match change.take_if(|_| file == name) {
            Some(change) => change(text),
            None => text.to_owned(),
        };
        std::fs::write(folder.path().join(file), text).unwrap();
    }
    assert!(change.is_none(), "there is no {name}");
    folder
}

fn broken(name: &str, change: impl FnOnce(&str) -> String) -> String {
    let folder = changed(name, change);
    let broken = Policy::load(Source::Folder(folder.path().into())).expect_err("broken");
    let told = broken.to_string();
    assert!(!told.contains('\n'), "one line: {told}");
    told
}

#[test]
fn a_broken_set_names_file_line_and_mistake() {
    let misspelled = broken("identity.cedar", |text| text.replacen("VerifyIdentity", "Verify", 1));
    assert!(misspelled.starts_with("identity.cedar:"), "{misspelled}");
    assert!(misspelled.contains("IdentityService/Verify"), "{misspelled}");
    let no_kind =
        broken("health.cedar", |text| text.replace("Kind::\"clinic\"", "Kind::\"klinik\""));
    assert!(no_kind.starts_with("health.cedar:") && no_kind.contains("klinik"), "{no_kind}");
    let no_purpose = broken("health.cedar", |text| text.replace("\"oversight\"", "\"curiosity\""));
    assert!(no_purpose.contains("curiosity"), "{no_purpose}");
    let syntax = broken("open.cedar", |text| text.replace("permit (", "permit {"));
    assert!(syntax.starts_with("open.cedar:5: "), "{syntax}");
    let nameless = broken("open.cedar", |text| text.replace("@id(\"open-methods\")", ""));
    assert!(nameless.contains("no @id"), "{nameless}");
    let reasonless = broken("health.cedar", |text| {
        text.replace("@reason(\"A clinic hands", "@because(\"A clinic hands")
    });
    assert!(
        reasonless.starts_with("health.cedar:20: ") && reasonless.contains("@reason"),
        "{reasonless}"
    );
    let twice = broken("open.cedar", |text| text.replace("open-methods", "kemendagri-identity"));
    assert!(twice.contains("identity.cedar"), "{twice}");
    let useless = broken("open.cedar", |text| {
        text.replace("Action::\"open\", Action::\"see/public\"", "Action::\"see/identity\"")
    });
    assert!(useless.starts_with("open.cedar:"), "a policy that can never apply: {useless}");
}

#[test]
fn a_folder_that_is_missing_or_has_no_policy_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let load = |path: std::path::PathBuf| Policy::load(Source::Folder(path)).map(|_| ());
    assert!(matches!(load(folder.path().into()), Err(Broken::Empty(_))));
    assert!(matches!(load(folder.path().join("x")), Err(Broken::Unreadable { .. })));
}

#[test]
fn a_reload_takes_effect_at_once_and_a_broken_one_changes_nothing() {
    let path = "/desmigratif.village.v1.VillageService/GetVillageProfile";
    let folder = changed("planning.cedar", str::to_owned);
    let policy = Policy::load(Source::Folder(folder.path().into())).unwrap();
    let kemendes = agency(Kemendes);
    let allowed =
        || policy.authorise(&kemendes, unsigned(path, Some("programme-planning"))).is_ok();
    assert!(allowed() && !policy.changed());

    let planning = folder.path().join("planning.cedar");
    std::fs::write(&planning, "permit (principal, action, resource);").unwrap();
    assert!(policy.changed());
    policy.reload().expect_err("it has no @id");
    assert!(allowed());
    assert_eq!(policy.version(), 1);

    std::fs::remove_file(&planning).unwrap();
    policy.reload().unwrap();
    assert!(!allowed() && !policy.changed());
    assert_eq!(policy.version(), 2);
}

#[test]
fn an_answer_is_forgotten_when_the_agency_is_registered_otherwise() {
    let path = "/desmigratif.village.v1.VillageService/GetVillageProfile";
    let policy = built_in();
    let purpose = Some("programme-planning");
    let office = agency(RegionalOffice);
    assert_eq!(policy.authorise(&office, unsigned(path, purpose)).unwrap().place_bound(), "");
    let region = Some(RegionCode::parse("32.12").unwrap());
    let office = Arc::new(Agency { region, ..(*office).clone() });
    assert_eq!(policy.authorise(&office, unsigned(path, purpose)).unwrap().place_bound(), "3212");
    let clinic = Arc::new(Agency { kind: Clinic, ..(*office).clone() });
    assert_eq!(
        policy.authorise(&clinic, unsigned(path, purpose)).unwrap_err(),
        Refusal::NotPermitted
    );
}

#[test]
fn a_policy_can_ask_a_kind_of_agency_to_sign_a_method() {
    let folder = changed("health.cedar", |text| {
        text.to_owned()
            + r#"
            @id("clinic-signs")
            @reason("A clinic answers for what it hands in.")
            forbid (
              principal in Kind::"clinic",
              action == Action::"MedicalClearanceService/SubmitClearance",
              resource
            )
            unless { context.signed };
            "#
    });
    let policy = Policy::load(Source::Folder(folder.path().into())).unwrap();
    let decided = |method: &str, kind, signed| {
        let path = method_named(&format!("MedicalClearanceService/{method}")).unwrap().path;
        let purpose = Some("clearance-submission");
        let decided = policy.authorise(&agency(kind), Attempt { path, purpose, signed });
        decided.map(|permit| permit.classes().contains(HealthDetail))
    };
    // Asked twice, since the first answers are remembered.
    for _ in 0..2 {
        let unsigned = decided("SubmitClearance", Clinic, false);
        assert_eq!(unsigned, Err(Refusal::SignatureRequired));
        assert_eq!(decided("SubmitClearance", Clinic, true), Ok(true));
        assert_eq!(decided("RevokeClearance", Clinic, false), Ok(true));
        let never = decided("SubmitClearance", Kemnaker, true);
        assert_eq!(never, Err(Refusal::NotPermitted), "a signature opens nothing by itself");
        assert_eq!(decided("SubmitClearance", Kemnaker, false), Err(Refusal::NotPermitted));
    }
    let submit = method_named("MedicalClearanceService/SubmitClearance").unwrap();
    let explained = |signed| {
        policy.explain(&agency(Clinic), submit, Some(Purpose::ClearanceSubmission), signed)
    };
    let unsigned = explained(false);
    assert!(!unsigned.allowed && unsigned.signature_required);
    assert_eq!(
        unsigned.because.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(),
        ["clinic-signs"]
    );
    assert!(explained(true).allowed && !explained(true).signature_required);
    // What may be done at all, where what must be signed is.
    let grant = policy.grant(&agency(Clinic), Purpose::ClearanceSubmission).unwrap();
    assert!(grant.methods.iter().any(|it| it.path == submit.path));
}

/// The record rules of the permit are the policies' answers, also for a set of other rules.
#[test]
fn the_permit_reaches_what_the_policies_say() {
    let path = "/desmigratif.worker.v1.WorkerService/ListWorkers";
    let (inside, outside) = (village("32.12.16.2004"), village("33.07.01.2001"));
    let region = Some(RegionCode::parse("32.12").unwrap());
    let office = Arc::new(Agency { region, ..(*agency(RegionalOffice)).clone() });
    let permit = |policy: &Policy, agency| {
        policy.authorise(agency, unsigned(path, Some("social-protection"))).unwrap()
    };
    let office_sees = permit(&built_in(), &office);
    assert!(office_sees.reaches(inside) && !office_sees.reaches(outside));
    let ministry = agency(Kemnaker);
    let ministry_sees = permit(&built_in(), &ministry);
    assert!(ministry_sees.reaches(inside) && ministry_sees.reaches(outside));

    let folder = changed("records.cedar", |_| "// nobody reaches anything\n".to_owned());
    let nobody = Policy::load(Source::Folder(folder.path().into())).unwrap();
    for agency in [&office, &ministry] {
        let sees = permit(&nobody, agency);
        assert!(!sees.reaches(inside) && !sees.reaches(outside));
        assert_eq!(sees.place_bound(), "-", "which no code begins with");
        assert_eq!(sees.clearance_bound().as_deref(), Some("-"), "which no agency's id is");
    }
}

#[test]
fn clinics_list_their_own_clearances_and_the_others_all() {
    let policy = built_in();
    let path = "/desmigratif.health.v1.MedicalClearanceService/ListClearances";
    let bound = |kind, purpose| {
        policy.authorise(&agency(kind), unsigned(path, Some(purpose))).unwrap().clearance_bound()
    };
    assert_eq!(bound(Clinic, "clearance-submission").as_deref(), Some("agency"));
    assert_eq!(bound(Kemenkes, "oversight"), None);
    assert_eq!(bound(Kemnaker, "placement-screening"), None);
}
