//! An entry as evidence, for the wire.

use desmigratif_proto::audit::v1 as wire_v1;
use desmigratif_proto::audit::v1::{GetEntryRequest, GetEntryResponse};

use super::super::flow::{DisclosureRequest, Read, receipted};
use super::super::reading::Reading;
use crate::exchange::{Attested, Call, Disclosed, Error, Exchange};

receipted!(GetEntryResponse);

impl Read for GetEntryRequest {
    type Input = u64;

    fn read(&self, _: &mut Reading, _: &Exchange) -> Option<u64> {
        Some(self.index)
    }
}

impl DisclosureRequest for GetEntryRequest {
    type Response = GetEntryResponse;

    async fn answer(
        exchange: &Exchange,
        call: &Call,
        index: u64,
    ) -> Result<Disclosed<GetEntryResponse>, Error> {
        let attested = exchange.attested(call, index).await?.ok_or(Error::NoSuchEntry)?;
        let Attested { entry, chain, revocation, signature } = attested;
        let value = GetEntryResponse {
            leaf: entry.leaf(),
            certificate_chain: chain.map(|it| it.certificates().to_vec()).unwrap_or_default(),
            revocation_lists: revocation.map(|it| it.lists().to_vec()).unwrap_or_default(),
            signature: signature
                .map(|it| wire_v1::CallerSignature { base: it.base, value: it.value }),
            receipt: None,
        };
        // Nobody is named in the entry: the people of a leaf are pseudonyms, which the caller of
        // that entry knew by more than that.
        Ok(Disclosed::read(value, Vec::new()))
    }
}
