//! The access matrix on the wire: every method, for every kind of agency and every purpose.
//!
//! What is expected is the reviewed table, which a test of the policy keeps equal to the policy
//! files; what is found is the bytes that a running gateway sends to agencies that were registered
//! over the wire. What is not the caller's is in [`hidden`].

mod cast;
mod contract;
mod hidden;
mod programme;
mod requests;
mod rules;
mod table;

use std::collections::BTreeSet;
use std::sync::Arc;

use desmigratif_core::access::{AgencyKind, Purpose};
use desmigratif_proto::access::v1::WhoAmIRequest;
use desmigratif_proto::access::v1::access_service_client::AccessServiceClient;
use desmigratif_proto::options::v1::{DataClass, Effect};
use desmigratif_proto::{ClassSet, METHODS, Method};
use prost::Message as _;
use tokio::task::JoinSet;
use tonic::Code;

use crate::gateway::reason;
use crate::raw::{Answer, Raw};
use cast::{Cast, holder, without};
use contract::{Contract, Fields, classes, short_name, spoil};
use requests::{EXCEPTIONS, example, examples};
use table::{Row, Table};

/// Calls a method for a purpose, or without stating one.
async fn call(caller: &mut Raw, method: &Method, purpose: Option<&str>, message: &[u8]) -> Answer {
    let purpose = purpose.map(|purpose| ("desmigratif-purpose", purpose));
    caller.call(method.path, purpose.as_slice(), message).await
}

/// That no value of a class that is not granted is anywhere in an answer: body, message, details.
fn holds_only(granted: ClassSet, answer: &Answer, cast: &Cast, context: &str) {
    let status = answer.status.as_ref().unwrap();
    let said = format!("{} {:?}", status.message(), status.metadata());
    for (class, value) in cast.values() {
        if granted.contains(class) {
            continue;
        }
        for bytes in [&answer.body[..], said.as_bytes(), status.details()] {
            let found = bytes.windows(value.len()).any(|window| window == value.as_bytes());
            assert!(!found, "{context}: {value}, which is {class:?}, was sent");
        }
    }
}

const fn is_open(method: &Method) -> bool {
    matches!(method.effect, Effect::ReadPublic | Effect::ReadSelf)
}

fn is_served(method: &Method) -> bool {
    method.effect != Effect::Outbound
}

#[test]
fn every_method_has_an_example_or_says_why_not() {
    for method in METHODS {
        let name = short_name(method);
        let excepted = EXCEPTIONS.iter().any(|(exception, _)| *exception == name);
        match (example(method), excepted) {
            (Some(_), false) => {}
            (None, true) => assert!(
                !is_served(method),
                "{name} is served: write an example in EXAMPLES and take it off EXCEPTIONS"
            ),
            (None, false) => panic!(
                "{name} has no example: add a request to EXAMPLES (matrix/requests.rs) that is \
                 answered with all that the method can disclose"
            ),
            (Some(_), true) => panic!("{name} has an example: take it off EXCEPTIONS"),
        }
    }
    let there: BTreeSet<_> = METHODS.iter().map(short_name).collect();
    let named = examples().map(|(name, _)| name).chain(EXCEPTIONS.iter().map(|(name, _)| name));
    for name in named {
        assert!(there.contains(*name), "{name} is no method any more: take it off");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_table_does_not_list_is_refused_with_its_reason() {
    let cast = Arc::new(Cast::start().await);
    let examples = METHODS.iter().map(|method| {
        let bytes = example(method).map(|example| example(&cast)).unwrap_or_default();
        (method, bytes)
    });
    let examples: Arc<Vec<_>> = Arc::new(examples.filter(|(method, _)| !is_open(method)).collect());
    let mut kinds = JoinSet::new();
    for kind in AgencyKind::ALL {
        kinds.spawn(refusals(cast.clone(), examples.clone(), kind));
    }
    let refused: usize = kinds.join_all().await.into_iter().sum();

    let table = Table::read();
    let rows = AgencyKind::ALL
        .into_iter()
        .flat_map(|kind| Purpose::ALL.map(|purpose| (kind, purpose)))
        .filter_map(|(kind, purpose)| table.row(kind, Some(purpose)));
    let listed: usize =
        rows.map(|row| METHODS.iter().filter(|method| row.lists(method)).count()).sum();
    // Every purpose held, every purpose not held, none at all, and one that there is not.
    let stated = 2 * Purpose::ALL.len() + 2;
    assert_eq!(refused, AgencyKind::ALL.len() * stated * examples.len() - listed);
}

/// Calls as a kind of agency whatever the table does not list; answers with the number of calls.
async fn refusals(
    cast: Arc<Cast>,
    examples: Arc<Vec<(&'static Method, Vec<u8>)>>,
    kind: AgencyKind,
) -> usize {
    let table = Table::read();
    let mut of_all = cast.caller(&holder(kind)).await;
    let mut of_none = cast.caller(&without(kind)).await;
    let mut count = 0;
    for (method, request) in examples.iter() {
        let held = Purpose::ALL.map(|purpose| (true, Some(purpose.as_str()), "NOT_PERMITTED"));
        let not_held = Purpose::ALL.map(|it| (false, Some(it.as_str()), "PURPOSE_NOT_HELD"));
        let odd = [(true, None, "PURPOSE_MISSING"), (true, Some("curiosity"), "PURPOSE_UNKNOWN")];
        for (holds, purpose, why) in held.into_iter().chain(not_held).chain(odd) {
            let row = purpose.and_then(Purpose::parse).and_then(|it| table.row(kind, Some(it)));
            if holds && row.is_some_and(|row| row.lists(method)) {
                continue;
            }
            let caller = if holds { &mut of_all } else { &mut of_none };
            let answer = call(caller, method, purpose, request).await;
            let context = format!("{kind:?} {purpose:?} {}", method.path);
            let status = answer.status.as_ref().unwrap();
            let expected = if is_served(method) {
                (Code::PermissionDenied, why)
            } else {
                (Code::Unimplemented, "METHOD_UNKNOWN")
            };
            assert_eq!((status.code(), reason(status).as_str()), expected, "{context}");
            assert!(answer.body.is_empty(), "{context}");
            holds_only(ClassSet::NONE, &answer, &cast, &context);
            count += 1;
        }
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_table_lists_is_answered_with_the_granted_classes_and_no_others() {
    let cast = Cast::start().await;
    let (table, contract) = (Table::read(), Contract::load());
    let (mut seen, mut withheld) = (Fields::new(), ClassSet::NONE);
    for kind in AgencyKind::ALL {
        let mut caller = cast.caller(&holder(kind)).await;
        tells_its_standing(&cast, &table, kind).await;
        for purpose in [None].into_iter().chain(Purpose::ALL.map(Some)) {
            let Some(row) = table.row(kind, purpose) else { continue };
            for method in METHODS.iter().filter(|method| row.lists(method)) {
                let context = format!("{kind:?} {purpose:?} {}", method.path);
                let request = example(method).unwrap()(&cast);
                let purpose = purpose.map(Purpose::as_str);
                let answer = call(&mut caller, method, purpose, &request).await;
                let present = granted_alone(&cast, &contract, row, method, &answer, &context);
                seen.extend(present);
                let possible = classes(&contract.output_fields(method)).iter();
                withheld = possible
                    .filter(|class| !row.classes.contains(*class))
                    .fold(withheld, ClassSet::with);

                let mut spoilt = contract.request(method, &request);
                if spoil(&mut spoilt) > 0 {
                    let answer = call(&mut caller, method, purpose, &spoilt.encode_to_vec()).await;
                    refused_without_echo(&cast, &contract, method, &answer, &context);
                }
            }
        }
    }
    // Otherwise that a field is absent elsewhere would say nothing.
    let personal = |(_, class): &(String, DataClass)| *class != DataClass::Public;
    let possible = METHODS.iter().filter(|it| is_served(it)).map(|it| contract.output_fields(it));
    let possible: Fields = possible.flatten().filter(personal).collect();
    let seen: Fields = seen.into_iter().filter(personal).collect();
    let unseen: Vec<_> = possible.keys().filter(|field| !seen.contains_key(*field)).collect();
    assert!(unseen.is_empty(), "no caller was sent {unseen:?}: set them in matrix/cast.rs");
    let sensitive = [DataClass::Identity, DataClass::Contact, DataClass::HealthDetail];
    assert!(withheld.contains_all(ClassSet::of(&sensitive)), "{withheld:?}");
}

/// That an answer is good and holds fields of the granted classes alone, and of every granted class
/// that the method can disclose. Answers with its fields.
fn granted_alone(
    cast: &Cast,
    contract: &Contract,
    row: &Row,
    method: &Method,
    answer: &Answer,
    context: &str,
) -> Fields {
    let status = answer.status.as_ref().unwrap();
    assert_eq!(status.code(), Code::Ok, "{context}: {} {}", reason(status), status.message());
    let messages = contract.answers(method, &answer.body);
    let present: Fields = messages.iter().flat_map(|message| contract.present(message)).collect();
    let foreign: Vec<_> =
        present.iter().filter(|(_, class)| !row.classes.contains(**class)).collect();
    assert!(foreign.is_empty(), "{context} sent {foreign:?}, granted are {:?}", row.classes);
    let granted = classes(&contract.output_fields(method)).iter();
    let granted = granted.filter(|class| row.classes.contains(*class));
    let granted = granted.fold(ClassSet::NONE, ClassSet::with);
    assert_eq!(classes(&present), granted, "{context} sent too little to judge by: {present:?}");
    holds_only(row.classes, answer, cast, context);
    present
}

/// That a broken request is refused, and that nothing personal is in the refusal, though it was in
/// the request.
fn refused_without_echo(
    cast: &Cast,
    contract: &Contract,
    method: &Method,
    answer: &Answer,
    context: &str,
) {
    let status = answer.status.as_ref().unwrap();
    if method.client_streaming {
        let messages = contract.answers(method, &answer.body);
        assert_eq!((status.code(), messages.len()), (Code::Ok, 1), "{context}");
        assert!(messages[0].has_field_by_name("error"), "{context}");
    } else {
        let refusal = (status.code(), reason(status));
        assert_eq!(refusal, (Code::InvalidArgument, "FIELDS_INVALID".into()), "{context}");
        assert!(answer.body.is_empty(), "{context}");
    }
    holds_only(ClassSet::NONE, answer, cast, context);
}

/// That an agency is told of itself what the table says of its kind.
async fn tells_its_standing(cast: &Cast, table: &Table, kind: AgencyKind) {
    let channel = cast.gateway.connect(&holder(kind)).await;
    let told = AccessServiceClient::new(channel).who_am_i(WhoAmIRequest {}).await.unwrap();
    let told = told.into_inner().purposes;
    for purpose in Purpose::ALL {
        let told = told.iter().find(|grant| grant.metadata_value == purpose.as_str());
        let row = table.row(kind, Some(purpose));
        assert_eq!(told.is_some(), row.is_some(), "{kind:?} {purpose:?}");
        let (Some(told), Some(row)) = (told, row) else { continue };
        let classes: Vec<_> = told.data_classes().collect();
        assert_eq!(ClassSet::of(&classes), row.classes, "{kind:?} {purpose:?}");
        let listed = METHODS.iter().filter(|method| row.lists(method));
        let listed: Vec<_> = listed.map(|method| method.path.trim_start_matches('/')).collect();
        assert_eq!(told.methods, listed, "{kind:?} {purpose:?}");
    }
}
