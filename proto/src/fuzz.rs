//! Fuzz targets: the bytes of requests, as every message of the contract that is one.

use std::collections::BTreeSet;

use bytes::{BufMut, Bytes, BytesMut};
use desmigratif_fuzzing::fuzz;
use http_body_util::Full;
use prost::Message;
use tokio_stream::StreamExt as _;
use tonic::codec::{Codec as _, Streaming};
use tonic::{Code, Status};

use crate::codec::{MALFORMED, StrictCodec};
use crate::{ClassSet, METHODS, Minimise, Validate};

/// Hands every type of a request to `$with`, with its full name. A test counts them.
macro_rules! requests {
    ($with:ident, $bytes:expr; $($area:ident: $($request:ident),+;)+) => {
        [$($($with::<crate::$area::v1::$request>(
            concat!("desmigratif.", stringify!($area), ".v1.", stringify!($request)),
            $bytes,
        )),+),+]
    };
}

macro_rules! each_request {
    ($with:ident, $bytes:expr) => {
        requests! { $with, $bytes;
            access: WhoAmIRequest;
            admin: ListAdaptersRequest, PauseAdapterRequest, ResumeAdapterRequest,
                ListDeliveriesRequest, ReplayDeliveriesRequest, DiscardDeliveryRequest,
                ListAgenciesRequest, CreateAgencyRequest, SuspendAgencyRequest,
                ActivateAgencyRequest, RetireAgencyRequest, IssueCertificateRequest,
                RegisterCertificateRequest, RemoveCertificateRequest;
            audit: GetCheckpointRequest, GetInclusionProofRequest, GetConsistencyProofRequest,
                AddCosignatureRequest, EraseSubjectRequest, ListDisclosuresRequest, WithholdDisclosuresRequest,
                EndWithholdingRequest, ListWithholdingsRequest, ReportBreachRequest,
                GetEntryRequest;
            connector: DeliverRequest, LookupRequest;
            exchange: WatchChangesRequest, GetHeadRequest;
            health: SubmitClearanceRequest, SubmitClearancesRequest, GetClearanceRequest,
                ListClearancesRequest, RevokeClearanceRequest, VerifyCertificateRequest,
                GetFacilityRequest, ListFacilitiesRequest, FindNearestFacilitiesRequest;
            identity: VerifyIdentityRequest, BatchVerifyIdentitiesRequest;
            programme: DesignateVillageRequest, EndDesignationRequest, ListDesignationsRequest,
                AssignOfficerRequest, EndOfficerRequest, ListOfficersRequest,
                RecordActivityRequest, ListActivitiesRequest, RecordEnterpriseRequest,
                ListEnterprisesRequest, EnrolFamilyRequest, WithdrawFamilyRequest,
                ListFamiliesRequest, ListSectorsRequest, ReportSectorServiceRequest,
                GetSectorMapRequest, GetCoverageRequest, GetRegionalBriefingRequest;
            village: GetVillageRequest, BatchGetVillagesRequest, ListVillagesRequest,
                SearchVillagesRequest, ListRegionsRequest, ResolveCodeRequest,
                GetVillageProfileRequest;
            worker: RegisterWorkerRequest, GetWorkerRequest, LookupWorkerRequest,
                ListWorkersRequest, UpdateWorkerRequest, AdvanceStageRequest,
                AddFamilyMemberRequest, ListFamilyMembersRequest;
        }
    };
}

/// What the targets ask of a message.
trait Asked: Message + Default + Validate + Minimise + Clone {}
impl<M: Message + Default + Validate + Minimise + Clone> Asked for M {}

fn name_of<M: Asked>(name: &'static str, (): ()) -> &'static str {
    let _ = M::default();
    name
}

#[test]
fn every_request_of_the_contract_is_fuzzed() {
    let fuzzed = BTreeSet::from(each_request!(name_of, ()));
    let inputs: BTreeSet<_> = METHODS.iter().map(|method| method.input).collect();
    assert_eq!(fuzzed, inputs, "list the request in `each_request`");
}

#[test]
fn a_request_that_is_read_is_judged_alike_when_it_is_sent_again() {
    fuzz!("request", request);
}

fn request(bytes: &[u8]) {
    each_request!(one_request, bytes);
}

fn one_request<M: Asked>(name: &str, bytes: &[u8]) {
    let Ok(message) = M::decode(bytes) else { return };
    let sent = message.encode_to_vec();
    let again = M::decode(&*sent).unwrap_or_else(|error| panic!("{name}: {error}"));
    // Bytes, since a number that is none (NaN) is not equal to itself.
    assert_eq!(again.encode_to_vec(), sent, "{name}");
    match (message.validate(), again.validate()) {
        (Ok(()), Ok(())) => {}
        (Err(violations), Err(same)) => {
            assert_eq!(violations, same, "{name}");
            assert!(!violations.is_empty(), "{name}");
            assert!(violations.iter().count() <= 100, "{name}");
        }
        _ => panic!("{name}: valid once, and once not"),
    }
    minimised(name, &message);
}

/// What is withheld is gone from the wire, and from what is shown.
fn minimised<M: Asked>(name: &str, message: &M) {
    let whole = message.classes_present();
    assert!(M::CLASSES.contains_all(whole), "{name}");
    for granted in [ClassSet::NONE, ClassSet::ALL] {
        let mut seen = message.clone();
        seen.minimise(granted);
        assert!(granted.contains_all(seen.classes_present()), "{name}");
        let once = seen.encode_to_vec();
        seen.minimise(granted);
        assert_eq!(seen.encode_to_vec(), once, "{name}: once is enough");
    }
}

#[test]
fn a_body_is_messages_and_then_their_end_or_the_callers_fault() {
    fuzz!("body", body);
}

/// The bytes of a call's body, through the codec of the servers.
fn body(bytes: &[u8]) {
    type Item = crate::health::v1::SubmitClearancesRequest;
    let read = |body: Bytes| -> Vec<Result<Vec<u8>, Status>> {
        let decoder = StrictCodec::<Item, Item>::default().decoder();
        let mut stream = Streaming::new_request(decoder, Full::new(body), None, Some(4_096));
        let items = async move {
            let mut items = Vec::new();
            while let Some(item) = stream.next().await {
                let over = item.is_err();
                items.push(item.map(|item| item.encode_to_vec()));
                // As the services do: after a fault tonic's stream has no end to rely on.
                if over {
                    break;
                }
            }
            items
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime without drivers").block_on(items)
    };
    let items = read(Bytes::copy_from_slice(bytes));
    if let Some(Err(status)) = items.last()
        && status.code() == Code::InvalidArgument
    {
        assert_eq!(status.message(), MALFORMED);
    }
    // What was read reads the same from bodies of our own making.
    let mut again = BytesMut::new();
    let whole: Vec<_> = items.into_iter().filter_map(Result::ok).collect();
    for item in &whole {
        again.put_u8(0);
        again.put_u32(u32::try_from(item.len()).expect("a message within the limit"));
        again.put_slice(item);
    }
    let again = read(again.freeze());
    assert_eq!(again.len(), whole.len());
    for (again, item) in again.into_iter().zip(whole) {
        assert_eq!(again.expect("it was read before"), item);
    }
}
