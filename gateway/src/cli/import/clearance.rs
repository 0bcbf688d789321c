//! A table of medical clearances: one row a certificate of the clinic that imports.

use desmigratif_core::access::Purpose;
use desmigratif_core::text::Text;
use desmigratif_proto::health::v1::clearance_details::Subject;
use desmigratif_proto::health::v1::medical_clearance_service_client::MedicalClearanceServiceClient;
use desmigratif_proto::health::v1::submit_clearances_response::Answer as Outcome;
use desmigratif_proto::health::v1::{
    ClearanceDetails, Conclusion, Examiner, Finding, PregnancyResult, PregnancyTest,
    SubmitClearanceRequest, SubmitClearancesRequest, SubmitClearancesResponse,
};
use futures_util::stream::{self, StreamExt as _};
use tonic::Status;

use super::super::operate::Calls;
use super::columns::{Cells, Column};
use super::reason::Reason;
use super::sheet::{Answer, Answers, Sheet, country};
use super::worker::note;

/// Clearances.
pub(super) struct Clearances;

const CONCLUSIONS: &[(&[&str], Conclusion)] = &[
    (&["layak", "fit", "sehat"], Conclusion::Fit),
    (&["tidak_layak", "unfit"], Conclusion::Unfit),
    (
        &["tidak_layak_sementara", "sementara_tidak_layak", "temporarily_unfit"],
        Conclusion::TemporarilyUnfit,
    ),
];

const PREGNANCY: &[(&[&str], PregnancyResult)] = &[
    (&["negatif", "negative"], PregnancyResult::Negative),
    (&["positif", "positive"], PregnancyResult::Positive),
];

impl Sheet for Clearances {
    const PURPOSE: Purpose = Purpose::ClearanceSubmission;
    const NAMES_PEOPLE: bool = true;
    const COLUMNS: &'static [Column] = &[
        Column {
            name: "nik",
            aliases: &["no_nik", "nomor_induk_kependudukan", "no_ktp"],
            field: "clearance.nik",
            required: true,
            example: "9902015501900001",
        },
        Column {
            name: "nomor_sertifikat",
            aliases: &["no_sertifikat", "certificate_number"],
            field: "clearance.certificate_number",
            required: true,
            example: "CONTOH-2026-0001",
        },
        Column {
            name: "tanggal_periksa",
            aliases: &["tgl_periksa", "tanggal_pemeriksaan", "examined_on"],
            field: "clearance.examined_on",
            required: true,
            example: "2026-11-02",
        },
        Column {
            name: "tanggal_terbit",
            aliases: &["tgl_terbit", "issued_on"],
            field: "clearance.issued_on",
            required: true,
            example: "2026-11-03",
        },
        Column {
            name: "negara_tujuan",
            aliases: &["tujuan", "destination_country", "destination"],
            field: "clearance.destination_country",
            required: true,
            example: "HK",
        },
        Column {
            name: "kesimpulan",
            aliases: &["hasil", "conclusion"],
            field: "clearance.conclusion",
            required: true,
            example: "layak",
        },
        Column {
            name: "dokter",
            aliases: &["nama_dokter", "examiner"],
            field: "clearance.examiner.name",
            required: true,
            example: "dr. Contoh",
        },
        Column {
            name: "nomor_sip",
            aliases: &["no_sip", "sip", "sip_number"],
            field: "clearance.examiner.sip_number",
            required: true,
            example: "SIP-1",
        },
        Column {
            name: "temuan",
            aliases: &["hasil_pemeriksaan", "findings"],
            field: "clearance.findings",
            required: false,
            example: "718-7=13.7 g/dL; 8480-6=120 mm[Hg]",
        },
        Column {
            name: "tanggal_tes_kehamilan",
            aliases: &["tgl_tes_kehamilan", "pregnancy_tested_on"],
            field: "clearance.pregnancy_test.tested_on",
            required: false,
            example: "2026-11-02",
        },
        Column {
            name: "hasil_tes_kehamilan",
            aliases: &["tes_kehamilan", "pregnancy_result"],
            field: "clearance.pregnancy_test.result",
            required: false,
            example: "negatif",
        },
    ];

    type Item = SubmitClearanceRequest;

    fn read(cells: &Cells<'_>) -> Result<SubmitClearanceRequest, Vec<Reason>> {
        let mut reasons = Vec::new();
        let clearance = ClearanceDetails {
            subject: Some(Subject::Nik(note(&mut reasons, cells.sixteen_digits("nik")))),
            certificate_number: cells.text("nomor_sertifikat"),
            examined_on: note(&mut reasons, cells.day("tanggal_periksa")),
            issued_on: note(&mut reasons, cells.day("tanggal_terbit")),
            destination_country: country(&cells.text("negara_tujuan")),
            conclusion: note(&mut reasons, cells.choice("kesimpulan", CONCLUSIONS))
                .unwrap_or_default()
                .into(),
            examiner: Some(Examiner {
                name: cells.text("dokter"),
                sip_number: cells.text("nomor_sip"),
            }),
            findings: note(&mut reasons, findings(cells)),
            pregnancy_test: note(&mut reasons, pregnancy_test(cells)),
        };
        if !reasons.is_empty() {
            return Err(reasons);
        }
        let clearance = Some(clearance);
        Ok(SubmitClearanceRequest { clearance, ..SubmitClearanceRequest::default() })
    }

    fn about(item: &SubmitClearanceRequest) -> String {
        let clearance = item.clearance.as_ref();
        clearance.map(|clearance| clearance.certificate_number.clone()).unwrap_or_default()
    }

    fn identify(item: &mut SubmitClearanceRequest, request_id: String, validate_only: bool) {
        (item.request_id, item.validate_only) = (request_id, validate_only);
    }

    async fn send(calls: Calls, items: Vec<SubmitClearanceRequest>) -> Result<Answers, Status> {
        let items = items.into_iter().map(|item| SubmitClearancesRequest { item: Some(item) });
        let mut client = MedicalClearanceServiceClient::new(calls);
        let answers = client.submit_clearances(stream::iter(items)).await?;
        let told = |answer: Result<SubmitClearancesResponse, Status>| {
            answer.map(|answer| Answer {
                request_id: answer.request_id,
                error: match answer.answer {
                    Some(Outcome::Error(error)) => Some(error),
                    _ => None,
                },
            })
        };
        Ok(answers.into_inner().map(told).boxed())
    }
}

/// Findings: "718-7=13.7 g/dL; 8480-6=120 mm[Hg]", the LOINC code, the value, the unit in UCUM.
fn findings(cells: &Cells<'_>) -> Result<Vec<Finding>, Reason> {
    let finding = |part: &String| {
        let (code, value) = part.split_once('=').ok_or_else(|| {
            let text = Text {
                en: "must be LOINC codes with values: 718-7=13.7 g/dL; 8480-6=120 mm[Hg]",
                id: "harus kode LOINC dengan nilainya: 718-7=13.7 g/dL; 8480-6=120 mm[Hg]",
            };
            Reason::of("temuan", "FINDINGS_UNREADABLE", text)
        })?;
        let (value, unit) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
        Ok(Finding {
            code: code.trim().to_owned(),
            value: value.to_owned(),
            unit: unit.trim().to_owned(),
            ..Finding::default()
        })
    };
    cells.parts("temuan", &[';', '\n']).iter().map(finding).collect()
}

fn pregnancy_test(cells: &Cells<'_>) -> Result<Option<PregnancyTest>, Reason> {
    let tested_on = cells.day("tanggal_tes_kehamilan")?;
    let result = cells.choice("hasil_tes_kehamilan", PREGNANCY)?;
    if tested_on.is_empty() && result.is_none() {
        return Ok(None);
    }
    Ok(Some(PregnancyTest { tested_on, result: result.unwrap_or_default().into() }))
}

#[cfg(test)]
mod tests {
    use super::super::columns::Columns;
    use super::super::table::{Cell, Row};
    use super::*;

    fn read(findings: &str) -> Result<ClearanceDetails, Vec<Reason>> {
        let headings: Vec<_> = Clearances::COLUMNS.iter().map(|it| it.name.to_owned()).collect();
        let cells = Clearances::COLUMNS.iter().map(|column| {
            let text = if column.name == "temuan" { findings } else { column.example };
            Cell::Text(text.into())
        });
        let row = Row { number: 2, cells: cells.collect() };
        let columns =
            Columns::find(Clearances::COLUMNS, &headings).unwrap_or_else(|_| panic!("all"));
        Clearances::read(&columns.of(&row)).map(|item| item.clearance.unwrap())
    }

    #[test]
    fn findings_are_codes_with_values_and_units() {
        let clearance = read("718-7=13.7 g/dL; 5196-1 = negatif").unwrap();
        let found: Vec<_> = clearance
            .findings
            .iter()
            .map(|it| (it.code.as_str(), it.value.as_str(), it.unit.as_str()))
            .collect();
        assert_eq!(found, [("718-7", "13.7", "g/dL"), ("5196-1", "negatif", "")]);
        assert_eq!(clearance.conclusion(), Conclusion::Fit);
        assert_eq!(clearance.pregnancy_test.unwrap().result(), PregnancyResult::Negative);
        let reasons = read("Hb 13.7").unwrap_err();
        assert_eq!(reasons[0].code, "FINDINGS_UNREADABLE");
    }
}
