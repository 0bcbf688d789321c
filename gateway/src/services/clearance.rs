//! MedicalClearanceService: hand in, read, withdraw, verify.

use std::sync::Arc;

use desmigratif_adapters::connector::wire as records;
use desmigratif_core::clearance::{
    ClearanceStatus, Conclusion, Country, Examiner, Finding, Interpretation, PregnancyResult,
    PregnancyTest, RevocationReason, in_order,
};
use desmigratif_core::record::{Record, Stored};
use desmigratif_proto::Path;
use desmigratif_proto::health::v1 as wire_v1;
use desmigratif_proto::health::v1::clearance_details::Subject;
use desmigratif_proto::health::v1::medical_clearance_service_server::MedicalClearanceService;
use desmigratif_proto::health::v1::submit_clearances_response::Answer;
use desmigratif_proto::health::v1::{
    CertificateVerdict, ClearanceDetails, GetClearanceRequest, GetClearanceResponse,
    ListClearancesRequest, ListClearancesResponse, RevokeClearanceRequest, RevokeClearanceResponse,
    SubmitClearanceRequest, SubmitClearanceResponse, SubmitClearancesRequest,
    SubmitClearancesResponse, VerifyCertificateRequest, VerifyCertificateResponse,
};
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::flow::{ChangeRequest, DisclosureRequest, Read, change, disclose, receipted};
use super::reading::Reading;
use super::stream::{Items, StreamItem, change_stream};
use super::{page, wire};
use crate::exchange::{
    Call, Change, ClearanceList, Disclosed, Error, Exchange, NewClearance, WhoseClearance,
};

receipted!(
    GetClearanceResponse, ListClearancesResponse, RevokeClearanceResponse, VerifyCertificateResponse;
    warned: SubmitClearanceResponse
);

/// The service.
pub(super) struct Clearances(pub(super) Arc<Exchange>);

#[tonic::async_trait]
impl MedicalClearanceService for Clearances {
    async fn submit_clearance(
        &self,
        request: Request<SubmitClearanceRequest>,
    ) -> Result<Response<SubmitClearanceResponse>, Status> {
        change(&self.0, request).await
    }

    type SubmitClearancesStream = Items<SubmitClearancesResponse>;

    async fn submit_clearances(
        &self,
        request: Request<Streaming<SubmitClearancesRequest>>,
    ) -> Result<Response<Self::SubmitClearancesStream>, Status> {
        change_stream(&self.0, request)
    }

    async fn get_clearance(
        &self,
        request: Request<GetClearanceRequest>,
    ) -> Result<Response<GetClearanceResponse>, Status> {
        disclose(&self.0, request).await
    }

    async fn list_clearances(
        &self,
        request: Request<ListClearancesRequest>,
    ) -> Result<Response<ListClearancesResponse>, Status> {
        disclose(&self.0, request).await
    }

    async fn revoke_clearance(
        &self,
        request: Request<RevokeClearanceRequest>,
    ) -> Result<Response<RevokeClearanceResponse>, Status> {
        change(&self.0, request).await
    }

    async fn verify_certificate(
        &self,
        request: Request<VerifyCertificateRequest>,
    ) -> Result<Response<VerifyCertificateResponse>, Status> {
        disclose(&self.0, request).await
    }
}

impl StreamItem for SubmitClearancesRequest {
    type Request = SubmitClearanceRequest;
    type Answer = SubmitClearancesResponse;

    // A crowd that a commit is worth being shared by.
    const AT_ONCE: usize = 64;

    fn into_request(self) -> SubmitClearanceRequest {
        self.item.unwrap_or_default()
    }

    fn line(request: &SubmitClearanceRequest) -> Option<&str> {
        match request.clearance.as_ref()?.subject.as_ref()? {
            Subject::Nik(nik) => Some(nik),
            Subject::WorkerId(id) => Some(id),
        }
    }

    fn answer(
        request_id: String,
        outcome: Result<SubmitClearanceResponse, super::Failure>,
    ) -> SubmitClearancesResponse {
        let answer = match outcome {
            Ok(result) => Answer::Result(result),
            Err(failure) => Answer::Error(failure.into_item_error()),
        };
        SubmitClearancesResponse { request_id, answer: Some(answer) }
    }
}

impl Read for SubmitClearanceRequest {
    type Input = NewClearance;

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<NewClearance> {
        let root = Path::ROOT;
        read_details(reading, root.field("clearance"), self.clearance.as_ref()?, exchange)
    }
}

fn read_details(
    reading: &mut Reading,
    at: Path<'_>,
    details: &ClearanceDetails,
    exchange: &Exchange,
) -> Option<NewClearance> {
    let today = exchange.clock.today();
    let whose = match &details.subject {
        Some(Subject::Nik(nik)) => {
            wire::read_nik(reading, at.field("nik"), nik, exchange).map(WhoseClearance::Nik)
        }
        Some(Subject::WorkerId(id)) => Uuid::parse_str(id).ok().map(WhoseClearance::Worker),
        None => None,
    };
    let examined_on =
        wire::read_past_day(reading, at.field("examined_on"), &details.examined_on, today);
    let issued_on = wire::read_past_day(reading, at.field("issued_on"), &details.issued_on, today);
    if let Some((examined, issued)) = examined_on.zip(issued_on) {
        reading.take(at.field("issued_on"), in_order(examined, issued));
    }
    let destination =
        reading.take(at.field("destination_country"), Country::parse(&details.destination_country));
    let examiner = details.examiner.as_ref().and_then(|examiner| {
        let at = at.field("examiner");
        let name = desmigratif_core::name::PersonName::parse(&examiner.name);
        let name = reading.take(at.field("name"), name)?;
        Some(Examiner { name, sip_number: examiner.sip_number.clone() })
    });
    let pregnancy_test = match &details.pregnancy_test {
        None => Some(None),
        Some(test) => {
            let at = at.field("pregnancy_test");
            wire::read_past_day(reading, at.field("tested_on"), &test.tested_on, today)
                .zip(read_pregnancy(test.result()))
                .map(|(tested_on, result)| Some(PregnancyTest { tested_on, result }))
        }
    };
    Some(NewClearance {
        whose: whose?,
        certificate_number: details.certificate_number.clone(),
        examined_on: examined_on?,
        issued_on: issued_on?,
        destination: destination?,
        conclusion: read_conclusion(details.conclusion())?,
        examiner: examiner?,
        findings: details.findings.iter().map(read_finding).collect(),
        pregnancy_test: pregnancy_test?,
    })
}

impl ChangeRequest for SubmitClearanceRequest {
    type Response = SubmitClearanceResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    fn validate_only(&self) -> bool {
        self.validate_only
    }

    async fn decide(
        exchange: &Exchange,
        call: &Call,
        new: NewClearance,
    ) -> Result<(Change, SubmitClearanceResponse), Error> {
        let (change, clearance) = exchange.submit_clearance(call, new).await?;
        let response = SubmitClearanceResponse {
            clearance_id: clearance.id.to_string(),
            valid_until: wire::day(clearance.valid_until(&exchange.validity)),
            status: records::status_to_wire(exchange.clearance_status(&clearance)).into(),
            ..SubmitClearanceResponse::default()
        };
        Ok((change, response))
    }
}

impl Read for GetClearanceRequest {
    type Input = Uuid;

    fn read(&self, _: &mut Reading, _: &Exchange) -> Option<Uuid> {
        Uuid::parse_str(&self.clearance_id).ok()
    }
}

impl DisclosureRequest for GetClearanceRequest {
    type Response = GetClearanceResponse;

    async fn answer(
        exchange: &Exchange,
        call: &Call,
        id: Uuid,
    ) -> Result<Disclosed<GetClearanceResponse>, Error> {
        let Disclosed { value, subjects, .. } = exchange.clearance(call, id).await?;
        let clearance = Some(to_wire(exchange, &value)?);
        Ok(Disclosed::read(GetClearanceResponse { clearance, receipt: None }, subjects))
    }
}

impl Read for ListClearancesRequest {
    type Input = ClearanceList;

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<ClearanceList> {
        let after = page::after(&[&self.worker_id], &self.page_token);
        let after = reading.take(Path::ROOT.field("page_token"), after)?;
        let worker = match self.worker_id.as_str() {
            "" => None,
            id => Some(Uuid::parse_str(id).ok()?),
        };
        let limit = page::size(self.page_size, page::DEFAULT_SIZE);
        Some(ClearanceList { worker, after, limit })
    }
}

impl DisclosureRequest for ListClearancesRequest {
    type Response = ListClearancesResponse;

    async fn answer(
        exchange: &Exchange,
        call: &Call,
        list: ClearanceList,
    ) -> Result<Disclosed<ListClearancesResponse>, Error> {
        let filter = list.worker.map(|id| id.to_string()).unwrap_or_default();
        let full = list.limit as usize;
        let Disclosed { value, subjects, .. } = exchange.clearances(call, list).await?;
        let next_page_token = match value.last() {
            Some(last) if value.len() == full => page::token(&[&filter], &last.record.key().id),
            _ => String::new(),
        };
        let clearances =
            value.iter().map(|stored| to_wire(exchange, stored)).collect::<Result<_, _>>()?;
        let value = ListClearancesResponse { clearances, next_page_token, receipt: None };
        Ok(Disclosed::read(value, subjects))
    }
}

impl Read for RevokeClearanceRequest {
    type Input = (Uuid, Option<u64>, RevocationReason);

    fn read(&self, _: &mut Reading, _: &Exchange) -> Option<Self::Input> {
        let reason = match self.reason() {
            wire_v1::RevocationReason::Unspecified => return None,
            wire_v1::RevocationReason::IssuedInError => RevocationReason::IssuedInError,
            wire_v1::RevocationReason::Impostor => RevocationReason::Impostor,
            wire_v1::RevocationReason::NewFinding => RevocationReason::NewFinding,
            wire_v1::RevocationReason::Forged => RevocationReason::Forged,
        };
        Some((Uuid::parse_str(&self.clearance_id).ok()?, wire::read_etag(&self.etag), reason))
    }
}

impl ChangeRequest for RevokeClearanceRequest {
    type Response = RevokeClearanceResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        call: &Call,
        (id, etag, reason): Self::Input,
    ) -> Result<(Change, RevokeClearanceResponse), Error> {
        let (change, version) = exchange.revoke_clearance(call, id, etag, reason).await?;
        Ok((change, RevokeClearanceResponse { etag: version.to_string(), receipt: None }))
    }
}

impl Read for VerifyCertificateRequest {
    type Input = (String, String);

    fn read(&self, _: &mut Reading, _: &Exchange) -> Option<(String, String)> {
        Some((self.facility_id.clone(), self.certificate_number.clone()))
    }
}

impl DisclosureRequest for VerifyCertificateRequest {
    type Response = VerifyCertificateResponse;

    async fn answer(
        exchange: &Exchange,
        _: &Call,
        (facility_id, number): (String, String),
    ) -> Result<Disclosed<VerifyCertificateResponse>, Error> {
        let found = exchange.certificate(&facility_id, &number).await?;
        let value = match &found.value {
            None => VerifyCertificateResponse {
                verdict: CertificateVerdict::Unknown.into(),
                ..VerifyCertificateResponse::default()
            },
            Some((clearance, status)) => VerifyCertificateResponse {
                verdict: match status {
                    ClearanceStatus::Valid => CertificateVerdict::Valid,
                    ClearanceStatus::Expired => CertificateVerdict::Expired,
                    ClearanceStatus::Void | ClearanceStatus::Revoked => {
                        CertificateVerdict::NotInForce
                    }
                    ClearanceStatus::NotFit => CertificateVerdict::Unknown,
                }
                .into(),
                valid_until: wire::day(clearance.valid_until(&exchange.validity)),
                destination_country: clearance.destination.to_string(),
                receipt: None,
            },
        };
        Ok(Disclosed::read(value, found.subjects))
    }
}

fn to_wire(exchange: &Exchange, stored: &Stored) -> Result<wire_v1::Clearance, Error> {
    let Record::Clearance(clearance) = &stored.record else {
        return Err(Error::Internal("a clearance is expected".into()));
    };
    let (status, until) =
        (exchange.clearance_status(clearance), clearance.valid_until(&exchange.validity));
    Ok(records::clearance(clearance, stored.version, stored.as_of, status, until))
}

const fn read_conclusion(conclusion: wire_v1::Conclusion) -> Option<Conclusion> {
    match conclusion {
        wire_v1::Conclusion::Unspecified => None,
        wire_v1::Conclusion::Fit => Some(Conclusion::Fit),
        wire_v1::Conclusion::Unfit => Some(Conclusion::Unfit),
        wire_v1::Conclusion::TemporarilyUnfit => Some(Conclusion::TemporarilyUnfit),
    }
}

const fn read_pregnancy(result: wire_v1::PregnancyResult) -> Option<PregnancyResult> {
    match result {
        wire_v1::PregnancyResult::Unspecified => None,
        wire_v1::PregnancyResult::Negative => Some(PregnancyResult::Negative),
        wire_v1::PregnancyResult::Positive => Some(PregnancyResult::Positive),
    }
}

fn read_finding(finding: &wire_v1::Finding) -> Finding {
    Finding {
        code: finding.code.clone(),
        display: finding.display.clone(),
        value: finding.value.clone(),
        unit: finding.unit.clone(),
        interpretation: match finding.interpretation() {
            wire_v1::Interpretation::Unspecified => None,
            wire_v1::Interpretation::Normal => Some(Interpretation::Normal),
            wire_v1::Interpretation::Abnormal => Some(Interpretation::Abnormal),
        },
    }
}
