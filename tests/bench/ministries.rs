//! The simulated ministries in a process of their own, and how a gateway reaches them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use desmigratif_adapters::config::{Connection, Secret};
use desmigratif_adapters::kemendagri::regions;
use desmigratif_adapters::{connector, kemendagri, kemendes, kemenkes, upstream};
use desmigratif_core::access::AgencyKind;
use desmigratif_core::ports::clock::{Clock as _, SystemClock};
use desmigratif_sandbox::connector::server_config;
use desmigratif_sandbox::{Sandbox, Settings, World, admin, credentials};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::process::{Ministries, Server};

/// The argument that makes this program the ministries.
pub(crate) const ARGUMENT: &str = "ministries";

/// The gateway, as the folder's certificates name it.
const GATEWAY: &str = "spiffe://desmigratif.test/gateway";

/// Serves the ministries until the process is killed.
pub(crate) fn serve(tls: &Path) -> Result<()> {
    let (server, key) = (tls.join("server.pem"), tls.join("server-key.pem"));
    let chain = CertificateDer::pem_file_iter(&server)?.collect::<Result<Vec<_>, _>>()?;
    let private = PrivateKeyDer::from_pem_file(&key)?;
    let plain = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, private)?;
    let settings = Settings {
        tls: Some(Arc::new(plain)),
        connector_tls: Some(server_config(&tls.join("ca.pem"), &server, &key, GATEWAY)?),
        ..Settings::default()
    };
    let world = World::new(Arc::new(regions::load()), SystemClock.today());
    tokio::runtime::Runtime::new()?.block_on(async {
        let sandbox = Sandbox::start(world, settings).await?;
        for ministry in AgencyKind::MINISTRIES {
            println!("{} {}", ministry.as_str(), sandbox.address(ministry));
        }
        println!("admin {}\nready", sandbox.admin());
        std::future::pending::<()>().await;
        Ok(())
    })
}

/// Starts the ministries with the certificates of a data folder.
pub(crate) fn start(data: &Path) -> Result<(Server, admin::Client)> {
    let tls = data.join("tls");
    let this = std::env::current_exe().context("this program has no path")?;
    let arguments = [ARGUMENT.as_ref(), tls.as_os_str()];
    let server = Server::start(&this, &arguments, &data.join("ministries.log"))?;
    let admin = admin::Client::new(server.address("admin")?);
    Ok((server, admin))
}

/// The ways to the ministries, with one limit for each, and the secrets that `dev` has written.
pub(crate) fn connections(server: &Server, data: &Path, per_second: u32) -> Result<Ministries> {
    let upstream = upstream::Settings { requests_per_second: per_second, ..Default::default() };
    let url = |ministry: AgencyKind, path: &str| -> Result<reqwest::Url> {
        Ok(format!("https://{}{path}", server.address(ministry.as_str())?).parse()?)
    };
    let secret = |name: &str| Secret::File(data.join("secrets").join(name));
    let tls = data.join("tls");
    let ca = tls.join("ca.pem");
    let agency = credentials::DUKCAPIL_AGENCY;
    let dukcapil = format!("/dukcapil/get_json/{agency}/CALL_VERIFY_BY_ELEMEN");
    Ok(BTreeMap::from([
        (
            AgencyKind::Kemnaker,
            Connection::Connector(connector::Settings {
                url: url(AgencyKind::Kemnaker, "")?,
                server_name: None,
                ca: ca.clone(),
                certificate: tls.join("gateway.pem"),
                key: tls.join("gateway-key.pem"),
                upstream: upstream.clone(),
            }),
        ),
        (
            AgencyKind::Kemendagri,
            Connection::Dukcapil(kemendagri::Settings {
                url: url(AgencyKind::Kemendagri, &dukcapil)?,
                ca: Some(ca.clone()),
                user_id: secret("dukcapil-user-id"),
                password: secret("dukcapil-password"),
                ip_user: credentials::DUKCAPIL_IP_USER.to_owned(),
                threshold: 90,
                upstream: upstream.clone(),
            }),
        ),
        (
            AgencyKind::Kemenkes,
            Connection::Satusehat(kemenkes::Settings {
                url: url(AgencyKind::Kemenkes, "")?,
                fhir_path: "/fhir-r4/v1".to_owned(),
                token_path: "/oauth2/v1/accesstoken".to_owned(),
                ca: Some(ca.clone()),
                organization_id: credentials::SATUSEHAT_ORGANIZATION_ID.to_owned(),
                client_id: secret("satusehat-client-id"),
                client_secret: secret("satusehat-client-secret"),
                upstream: upstream.clone(),
            }),
        ),
        (
            AgencyKind::Kemendes,
            Connection::Idm(kemendes::Settings {
                ca: Some(ca),
                upstream,
                ..kemendes::Settings::at(url(AgencyKind::Kemendes, "")?)
            }),
        ),
    ]))
}
