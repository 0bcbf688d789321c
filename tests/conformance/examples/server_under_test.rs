//! A server that the public conformance suite's runner starts and tries: the suite's service behind
//! the gateway's edge, behind a front that speaks as the runner does.
//!
//! The runner writes one `ServerCompatRequest` to standard input and closes it, reads one
//! `ServerCompatResponse` from standard output, calls, and ends the process with SIGTERM.

use anyhow::{Context as _, ensure};
use desmigratif_conformance::Server;
use desmigratif_conformance::front::{Connections, Front};
use desmigratif_conformance::v1::{
    HttpVersion, Protocol, ServerCompatRequest, ServerCompatResponse,
};
use futures_util::SinkExt as _;
use prost::Message as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_stream::StreamExt as _;
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut ended = signal(SignalKind::terminate())?;
    let wanted = asked().await?;
    let largest_message = match wanted.message_receive_limit {
        0 => desmigratif::edge::layers::Settings::default().largest_message,
        limit => usize::try_from(limit)?,
    };
    let server = Server::start(largest_message).await?;
    let connections = match &wanted.client_tls_cert[..] {
        _ if !wanted.use_tls => Connections::Plain,
        [] => Connections::Tls,
        pem => Connections::MutualTls(pem),
    };
    let front = Front::start(&server, connections).await?;
    answer(ServerCompatResponse {
        host: front.address().ip().to_string(),
        port: front.address().port().into(),
        pem_cert: if wanted.use_tls { std::fs::read(server.pki().ca())? } else { Vec::new() },
    })
    .await?;
    ended.recv().await;
    drop(front);
    server.stop().await?;
    Ok(())
}

/// What the runner wants, as far as it can be had.
async fn asked() -> anyhow::Result<ServerCompatRequest> {
    let mut input = FramedRead::new(tokio::io::stdin(), LengthDelimitedCodec::new());
    let message = input.next().await.context("standard input holds no request")??;
    let wanted = ServerCompatRequest::decode(message).context("a request that is none")?;
    ensure!(wanted.protocol() == Protocol::Grpc, "the edge speaks gRPC alone");
    ensure!(wanted.http_version() == HttpVersion::HttpVersion2, "the edge speaks HTTP/2 alone");
    Ok(wanted)
}

/// Tells the runner where the server is.
async fn answer(response: ServerCompatResponse) -> anyhow::Result<()> {
    let mut output = FramedWrite::new(tokio::io::stdout(), LengthDelimitedCodec::new());
    output.send(&response.encode_to_vec()[..]).await?;
    Ok(())
}
