//! A table of workers: one row a candidate (CPMI).

use desmigratif_core::access::Purpose;
use desmigratif_core::birth::Precision;
use desmigratif_proto::common::v1::{BirthDate, DatePrecision, Sex};
use desmigratif_proto::worker::v1::register_workers_response::Answer as Outcome;
use desmigratif_proto::worker::v1::worker_service_client::WorkerServiceClient;
use desmigratif_proto::worker::v1::{
    Document, Placement, RegisterWorkerRequest, RegisterWorkersRequest, RegisterWorkersResponse,
    WorkerDetails,
};
use futures_util::stream::{self, StreamExt as _};
use tonic::Status;

use super::super::operate::Calls;
use super::columns::{Cells, Column, no_date};
use super::reason::Reason;
use super::sheet::{Answer, Answers, Sheet, country};

/// Workers.
pub(super) struct Workers;

const SEXES: &[(&[&str], Sex)] = &[
    (&["l", "laki_laki", "laki", "pria", "m", "male"], Sex::Male),
    (&["p", "perempuan", "wanita", "f", "female"], Sex::Female),
];

const PLACEMENTS: &[(&[&str], Placement)] = &[
    (&["p3mi"], Placement::P3mi),
    (&["pemerintah", "g_to_g", "government"], Placement::Government),
    (&["perusahaan_sendiri", "uks", "own_company"], Placement::OwnCompany),
    (&["perseorangan", "mandiri", "individual"], Placement::Individual),
];

const DOCUMENTS: &[(&[&str], Document)] = &[
    (&["status_perkawinan", "marital_status"], Document::MaritalStatus),
    (&["izin_keluarga", "family_permission"], Document::FamilyPermission),
    (&["sertifikat_kompetensi", "competence_certificate"], Document::CompetenceCertificate),
    (&["surat_sehat", "surat_keterangan_sehat", "health_letter"], Document::HealthLetter),
    (&["paspor", "passport"], Document::Passport),
    (&["visa_kerja", "visa", "work_visa"], Document::WorkVisa),
    (&["perjanjian_penempatan", "placement_agreement"], Document::PlacementAgreement),
    (&["perjanjian_kerja", "kontrak_kerja", "work_contract"], Document::WorkContract),
];

impl Sheet for Workers {
    const PURPOSE: Purpose = Purpose::PlacementScreening;
    const NAMES_PEOPLE: bool = true;
    const COLUMNS: &'static [Column] = &[
        Column {
            name: "nik",
            aliases: &["no_nik", "nomor_induk_kependudukan", "no_ktp"],
            field: "worker.nik",
            required: true,
            example: "9902015501900001",
        },
        Column {
            name: "nama",
            aliases: &["nama_lengkap", "name", "full_name"],
            field: "worker.name",
            required: true,
            example: "Contoh Ratna Sari",
        },
        Column {
            name: "tanggal_lahir",
            aliases: &["tgl_lahir", "birth_date", "date_of_birth"],
            field: "worker.birth_date",
            required: true,
            example: "1990-01-15",
        },
        Column {
            name: "jenis_kelamin",
            aliases: &["jk", "kelamin", "sex", "gender"],
            field: "worker.sex",
            required: true,
            example: "P",
        },
        Column {
            name: "kode_desa",
            aliases: &["kode_desa_kelurahan", "village_code"],
            field: "worker.village_code",
            required: true,
            example: "32.12.16.2004",
        },
        Column {
            name: "no_kk",
            aliases: &["kk", "nomor_kk", "kk_number"],
            field: "worker.kk_number",
            required: false,
            example: "",
        },
        Column {
            name: "telepon",
            aliases: &["no_hp", "hp", "no_telepon", "phone"],
            field: "worker.phone",
            required: false,
            example: "081200000001",
        },
        Column {
            name: "alamat",
            aliases: &["address"],
            field: "worker.address",
            required: false,
            example: "Jalan Contoh 1",
        },
        Column {
            name: "negara_tujuan",
            aliases: &["tujuan", "destination_country", "destination"],
            field: "worker.destination_country",
            required: false,
            example: "HK",
        },
        Column {
            name: "penempatan",
            aliases: &["jenis_penempatan", "placement"],
            field: "worker.placement",
            required: false,
            example: "p3mi",
        },
        Column {
            name: "dokumen",
            aliases: &["documents"],
            field: "worker.documents",
            required: false,
            example: "paspor; izin keluarga",
        },
    ];

    type Item = RegisterWorkerRequest;

    fn read(cells: &Cells<'_>) -> Result<RegisterWorkerRequest, Vec<Reason>> {
        let mut reasons = Vec::new();
        let worker = WorkerDetails {
            nik: note(&mut reasons, cells.sixteen_digits("nik")),
            kk_number: note(&mut reasons, cells.sixteen_digits("no_kk")),
            name: cells.text("nama"),
            birth_date: note(&mut reasons, birth_date(cells)),
            sex: note(&mut reasons, cells.choice("jenis_kelamin", SEXES))
                .unwrap_or_default()
                .into(),
            village_code: cells.text("kode_desa"),
            phone: international(&cells.text("telepon")),
            address: cells.text("alamat"),
            destination_country: country(&cells.text("negara_tujuan")),
            placement: note(&mut reasons, cells.choice("penempatan", PLACEMENTS))
                .unwrap_or_default()
                .into(),
            documents: note(&mut reasons, cells.choices("dokumen", DOCUMENTS))
                .into_iter()
                .map(i32::from)
                .collect(),
        };
        if !reasons.is_empty() {
            return Err(reasons);
        }
        Ok(RegisterWorkerRequest { worker: Some(worker), ..RegisterWorkerRequest::default() })
    }

    fn about(item: &RegisterWorkerRequest) -> String {
        item.worker.as_ref().map(|worker| worker.nik.clone()).unwrap_or_default()
    }

    fn identify(item: &mut RegisterWorkerRequest, request_id: String, validate_only: bool) {
        (item.request_id, item.validate_only) = (request_id, validate_only);
    }

    async fn send(calls: Calls, items: Vec<RegisterWorkerRequest>) -> Result<Answers, Status> {
        let items = items.into_iter().map(|item| RegisterWorkersRequest { item: Some(item) });
        let answers = WorkerServiceClient::new(calls).register_workers(stream::iter(items)).await?;
        let told = |answer: Result<RegisterWorkersResponse, Status>| {
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

/// The value read, or the default with the reason noted.
pub(super) fn note<T: Default>(reasons: &mut Vec<Reason>, read: Result<T, Reason>) -> T {
    read.unwrap_or_else(|reason| {
        reasons.push(reason);
        T::default()
    })
}

/// A birth date: a day, or where no more is known "1990" or "1990-05", filled up as the register
/// does (annex of Permendagri 19/2010).
fn birth_date(cells: &Cells<'_>) -> Result<Option<BirthDate>, Reason> {
    const COLUMN: &str = "tanggal_lahir";
    let text = cells.text(COLUMN);
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let (date, precision) = match text.split_once('-') {
        _ if text.is_empty() => return Ok(None),
        None if digits(&text, 4) => (format!("{text}-07-01"), Precision::Year),
        Some((year, month)) if digits(year, 4) && digits(month, 2) => {
            (format!("{text}-15"), Precision::Month)
        }
        _ => (cells.day(COLUMN)?, Precision::Day),
    };
    if desmigratif_core::birth::parse_date(&date).is_none() {
        return Err(no_date(COLUMN));
    }
    let precision = match precision {
        Precision::Day => DatePrecision::Day,
        Precision::Month => DatePrecision::Month,
        Precision::Year => DatePrecision::Year,
    };
    Ok(Some(BirthDate { date, precision: precision.into() }))
}

/// A telephone number in international form, for a number of Indonesia as it is dialled there. A
/// spreadsheet drops the zero before it.
fn international(text: &str) -> String {
    let dialled: String =
        text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
    if dialled.starts_with("62") {
        return format!("+{dialled}");
    }
    match dialled.strip_prefix('0') {
        Some(national) => format!("+62{national}"),
        None if dialled.starts_with('8') => format!("+62{dialled}"),
        None => dialled,
    }
}

#[cfg(test)]
mod tests {
    use super::super::columns::Columns;
    use super::super::table::{Cell, Row};
    use super::*;

    fn read(changed: &[(&str, Cell)]) -> Result<WorkerDetails, Vec<Reason>> {
        let headings: Vec<_> = Workers::COLUMNS.iter().map(|it| it.name.to_owned()).collect();
        let cells = Workers::COLUMNS.iter().map(|column| {
            let cell = changed.iter().find(|(name, _)| *name == column.name);
            cell.map_or_else(|| Cell::Text(column.example.into()), |(_, cell)| cell.clone())
        });
        let row = Row { number: 2, cells: cells.collect() };
        let columns = Columns::find(Workers::COLUMNS, &headings).unwrap_or_else(|_| panic!("all"));
        Workers::read(&columns.of(&row)).map(|item| item.worker.unwrap())
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.into())
    }

    #[test]
    fn a_row_of_the_template_is_a_worker() {
        let worker = read(&[]).unwrap();
        assert_eq!(worker.phone, "+6281200000001");
        assert_eq!(worker.sex(), Sex::Female);
        assert_eq!(worker.placement(), Placement::P3mi);
        let documents: Vec<_> = worker.documents().collect();
        assert_eq!(documents, [Document::Passport, Document::FamilyPermission]);
    }

    #[test]
    fn as_much_of_a_birth_date_as_is_known_is_stated() {
        for (written, date, precision) in [
            ("15/01/1990", "1990-01-15", DatePrecision::Day),
            ("1990", "1990-07-01", DatePrecision::Year),
            ("1990-05", "1990-05-15", DatePrecision::Month),
        ] {
            let birth = read(&[("tanggal_lahir", text(written))]).unwrap().birth_date.unwrap();
            assert_eq!((birth.date.as_str(), birth.precision()), (date, precision), "{written}");
        }
        let year = read(&[("tanggal_lahir", Cell::Number(1990.0))]).unwrap().birth_date.unwrap();
        assert_eq!(year.precision(), DatePrecision::Year);
    }

    #[test]
    fn every_cell_that_cannot_be_read_is_told_at_once_and_none_repeated() {
        let reasons = read(&[
            ("nik", Cell::Number(9_902_015_501_900_001.0)),
            ("tanggal_lahir", text("rahasia")),
            ("jenis_kelamin", text("rahasia")),
            ("dokumen", text("paspor; rahasia")),
        ])
        .unwrap_err();
        let codes: Vec<_> =
            reasons.iter().map(|it| (it.column.unwrap(), it.code.as_str())).collect();
        assert_eq!(
            codes,
            [
                ("nik", "SPREADSHEET_NUMBER"),
                ("tanggal_lahir", "DATE_INVALID"),
                ("jenis_kelamin", "CHOICE_UNKNOWN"),
                ("dokumen", "CHOICE_UNKNOWN"),
            ]
        );
        assert!(!format!("{reasons:?}").contains("rahasia"));
    }

    #[test]
    fn telephones_are_made_international() {
        for (written, read) in [
            ("0812-0000-0001", "+6281200000001"),
            ("6281200000001", "+6281200000001"),
            ("+85212345678", "+85212345678"),
            ("81200000001", "+6281200000001"),
            ("", ""),
        ] {
            assert_eq!(international(written), read, "{written}");
        }
    }
}
