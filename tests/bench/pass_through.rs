//! A check of identity by Dukcapil: the call itself, the call through the adapter, and through the
//! whole gateway. One caller each, in turn.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use desmigratif_adapters::config::Connection;
use desmigratif_core::access::AgencyKind;
use desmigratif_core::birth::{BirthDate, Precision};
use desmigratif_core::identity::{Claim, Outcome};
use desmigratif_core::name::PersonName;
use desmigratif_core::nik::Nik;
use desmigratif_core::ports::clock::{Clock as _, SystemClock};
use desmigratif_core::ports::ministry::{Answer, Ministry, Question};
use desmigratif_proto::admin::v1::ListAdaptersRequest;
use desmigratif_proto::admin::v1::admin_service_client::AdminServiceClient;
use desmigratif_proto::identity::v1::identity_service_client::IdentityServiceClient;
use desmigratif_sandbox::{credentials, people};
use reqwest::{Certificate, Client, Url, redirect};
use serde_json::json;

use crate::clients::{KEMENDAGRI, OPERATOR, VerifyIdentity, stating};
use crate::closed_loop::{Caller as _, middle, quantile};
use crate::process::Gateway;
use crate::table::{Table, time};
use crate::{ROUNDS, ministries};

/// Calls of a side in a round, after a tenth of them that do not count.
const CALLS: usize = 1000;
/// More than one caller asks for in a second.
const UNLIMITED: u32 = 1_000_000;

/// Measures all three, and the least that the gateway commits.
pub(crate) async fn compare(data: &Path, table: &mut Table) -> Result<()> {
    let (server, _) = ministries::start(data)?;
    let connections = ministries::connections(&server, data, UNLIMITED)?;
    let Some(Connection::Dukcapil(settings)) = connections.get(&AgencyKind::Kemendagri) else {
        anyhow::bail!("Kemendagri is not connected by Dukcapil");
    };
    let (client, url) = (client(data)?, settings.url.clone());
    let clock = Arc::new(SystemClock);
    let adapter = &connections[&AgencyKind::Kemendagri];
    let adapter = desmigratif_adapters::connect(AgencyKind::Kemendagri, adapter, clock)?;
    let question = question()?;
    let gateway = Gateway::start(data, connections)?;
    let mut caller = VerifyIdentity(IdentityServiceClient::new(gateway.connect(KEMENDAGRI).await?));
    let operator = AdminServiceClient::new(gateway.connect(OPERATOR).await?);

    let (mut direct, mut through, mut added) = (Vec::new(), Vec::new(), Vec::new());
    let (mut whole, mut commits) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let alone = p50(async || ask(&client, &url).await).await?;
        let adapted = p50(async || look_up(adapter.as_ref(), &question).await).await?;
        direct.push(alone);
        through.push(adapted);
        added.push(adapted - alone);
        let mut latencies = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            let begun = Instant::now();
            caller.call().await?;
            latencies.push(begun.elapsed());
        }
        latencies.sort_unstable();
        whole.push(quantile(&latencies, 0.5));
        let list = async || {
            let request = stating("operations", ListAdaptersRequest {});
            operator.clone().list_adapters(request).await.map(drop).map_err(Into::into)
        };
        commits.push(p50(list).await?);
    }
    gateway.stop()?;
    let (direct, through) = (middle(direct.into_iter()), middle(through.into_iter()));
    let (added, whole) = (middle(added.into_iter()), middle(whole.into_iter()));
    table.told(
        "Identity check by the adapter, p50",
        time(through),
        format!("{} the call itself", time(direct)),
        &format!("+{added:.0} us, target <= 150"),
        Some(added <= 150.0),
    );
    table.told(
        "VerifyIdentity, p50",
        time(whole),
        format!("+{} to the call", time(whole - direct)),
        "",
        None,
    );
    let commits = time(middle(commits.into_iter()));
    table.told("A call that only commits, p50", commits, "ListAdapters".into(), "", None);
    table.remark(
        "VerifyIdentity is the whole way: gRPC, mutual TLS, the right to ask, the ministry's answer \
         and a\ndurable commit of two rows (entry, kept answer) and the copy. The call itself has \
         none of them. ListAdapters\ncommits one entry and asks no ministry: mostly the disk's \
         sync.",
    );
    Ok(())
}

/// The median time of a call, microseconds.
async fn p50(call: impl AsyncFn() -> Result<()>) -> Result<f64> {
    let mut latencies: Vec<Duration> = Vec::with_capacity(CALLS);
    for n in 0..CALLS + CALLS / 10 {
        let begun = Instant::now();
        call().await?;
        if n >= CALLS / 10 {
            latencies.push(begun.elapsed());
        }
    }
    latencies.sort_unstable();
    Ok(quantile(&latencies, 0.5))
}

fn client(data: &Path) -> Result<Client> {
    let ca = Certificate::from_pem(&std::fs::read(data.join("tls/ca.pem"))?)?;
    let client =
        Client::builder().tls_certs_only([ca]).redirect(redirect::Policy::none()).no_proxy();
    Ok(client.build()?)
}

/// The call as the adapter makes it, and its answer as bytes.
async fn ask(client: &Client, url: &Url) -> Result<()> {
    let person = people::candidate(people::VERIFIED);
    let body = json!({
        "NIK": person.nik,
        "NAMA_LGKP": person.name,
        "TGL_LHR": person.birth_date.strftime("%d-%m-%Y").to_string(),
        "USER_ID": credentials::DUKCAPIL_USER_ID,
        "PASSWORD": credentials::DUKCAPIL_PASSWORD,
        "IP_USER": credentials::DUKCAPIL_IP_USER,
        "TRESHOLD": "90",
    });
    let answer = client.post(url.clone()).json(&body).send().await?;
    ensure!(answer.status().is_success(), "Dukcapil answered {}", answer.status());
    let answer = answer.bytes().await?;
    ensure!(answer.starts_with(b"{"), "Dukcapil's answer is no JSON");
    Ok(())
}

fn question() -> Result<Question> {
    let person = people::candidate(people::VERIFIED);
    let birth = BirthDate::new(person.birth_date, Precision::Day, SystemClock.today());
    let claim = Claim {
        name: Some(PersonName::parse(&person.name).ok().context("a name")?),
        birth: Some(birth.ok().context("a birth date")?),
        ..Claim::default()
    };
    let nik = Nik::parse(&person.nik).ok().context("a NIK")?;
    Ok(Question::Identity { nik, claim: Box::new(claim) })
}

async fn look_up(adapter: &dyn Ministry, question: &Question) -> Result<()> {
    match adapter.lookup(question, Instant::now() + Duration::from_secs(10)).await? {
        Answer::Identity(check) if check.outcome == Outcome::Verified => Ok(()),
        _ => anyhow::bail!("not verified"),
    }
}
