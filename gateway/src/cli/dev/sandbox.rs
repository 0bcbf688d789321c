//! The simulated ministries beside the gateway of `dev`, and how the gateway reaches them.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use desmigratif_adapters::config::{Connection, Secret};
use desmigratif_adapters::kemendagri::regions;
use desmigratif_adapters::{connector, kemendagri, kemendes, kemenkes};
use desmigratif_core::access::AgencyKind;
use desmigratif_core::ports::clock::{Clock as _, SystemClock};
use desmigratif_sandbox::{Sandbox, Settings, World, connector as simulated, credentials};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Failure;
use crate::access::TrustDomain;
use crate::pki::DevPki;

/// Starts the simulated ministries, each at a free port, with TLS by the throwaway authority.
pub(super) async fn start(
    admin: SocketAddr,
    pki: &DevPki,
    trust_domain: &TrustDomain,
) -> Result<Sandbox, Failure> {
    let start = async || -> anyhow::Result<Sandbox> {
        let chain = CertificateDer::pem_file_iter(pki.server())?.collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_file(pki.server_key())?;
        let tls = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
        let connector_tls = simulated::server_config(
            &pki.ca(),
            &pki.server(),
            &pki.server_key(),
            &trust_domain.gateway_uri(),
        )?;
        let gazetteer = tokio::task::spawn_blocking(regions::load).await?;
        let settings = Settings {
            admin,
            tls: Some(Arc::new(tls)),
            connector_tls: Some(connector_tls),
            ..Settings::default()
        };
        let world = World::new(Arc::new(gazetteer), SystemClock.today());
        Sandbox::start(world, settings)
            .await
            .with_context(|| format!("free the port {admin} or give another with --sandbox"))
    };
    start().await.map_err(|error| Failure::of("cannot start the simulated ministries", error))
}

/// How the gateway reaches the simulated ministries.
pub(super) fn connections(
    sandbox: &Sandbox,
    pki: &DevPki,
    data: &Path,
) -> Result<BTreeMap<AgencyKind, Connection>, Failure> {
    let connect = || -> anyhow::Result<BTreeMap<AgencyKind, Connection>> {
        let secrets = data.join("secrets");
        std::fs::create_dir_all(&secrets)?;
        let secret = |name: &str, value: &str| -> anyhow::Result<Secret> {
            let path = std::path::absolute(secrets.join(name))?;
            let mut file = OpenOptions::new();
            let mut file = file.write(true).create(true).truncate(true).mode(0o600).open(&path)?;
            writeln!(file, "{value}")?;
            Ok(Secret::File(path))
        };
        let url = |ministry, path: &str| -> anyhow::Result<url::Url> {
            Ok(format!("https://{}{path}", sandbox.address(ministry)).parse()?)
        };
        let ca = std::path::absolute(pki.ca())?;
        let agency = credentials::DUKCAPIL_AGENCY;
        let dukcapil = format!("/dukcapil/get_json/{agency}/CALL_VERIFY_BY_ELEMEN");
        Ok(BTreeMap::from([
            (
                AgencyKind::Kemnaker,
                Connection::Connector(connector::Settings {
                    url: url(AgencyKind::Kemnaker, "")?,
                    server_name: None,
                    ca: ca.clone(),
                    certificate: std::path::absolute(pki.gateway())?,
                    key: std::path::absolute(pki.gateway_key())?,
                    upstream: Default::default(),
                }),
            ),
            (
                AgencyKind::Kemendagri,
                Connection::Dukcapil(kemendagri::Settings {
                    url: url(AgencyKind::Kemendagri, &dukcapil)?,
                    ca: Some(ca.clone()),
                    user_id: secret("dukcapil-user-id", credentials::DUKCAPIL_USER_ID)?,
                    password: secret("dukcapil-password", credentials::DUKCAPIL_PASSWORD)?,
                    ip_user: credentials::DUKCAPIL_IP_USER.to_owned(),
                    threshold: 90,
                    upstream: Default::default(),
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
                    client_id: secret("satusehat-client-id", credentials::SATUSEHAT_CLIENT_ID)?,
                    client_secret: secret(
                        "satusehat-client-secret",
                        credentials::SATUSEHAT_CLIENT_SECRET,
                    )?,
                    upstream: Default::default(),
                }),
            ),
            (
                AgencyKind::Kemendes,
                Connection::Idm(kemendes::Settings {
                    ca: Some(ca),
                    ..kemendes::Settings::at(url(AgencyKind::Kemendes, "")?)
                }),
            ),
        ]))
    };
    connect().map_err(|error| Failure::of("cannot write what the ministries need", error))
}
