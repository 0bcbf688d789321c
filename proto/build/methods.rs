//! Generates the table of methods from the services and their access options.

use proc_macro2::TokenStream;
use quote::quote;

use crate::names;
use crate::schema::Contract;

/// The table, by path.
pub(crate) fn generate(contract: &Contract) -> TokenStream {
    let mut rows: Vec<_> = contract
        .methods()
        .iter()
        .map(|method| {
            let (service, name) = (method.parent_service().full_name(), method.name());
            let path = format!("/{service}/{name}");
            let effect = contract.effect(method).expect("checked before any code is generated");
            let effect = names::option_variant(&effect, "EFFECT_");
            let (input, output) = (method.input(), method.output());
            let (input, output) = (input.full_name(), output.full_name());
            let (client, server) = (method.is_client_streaming(), method.is_server_streaming());
            let lasting = contract.lasting(method);
            let row = quote! {
                Method {
                    path: #path,
                    service: #service,
                    name: #name,
                    effect: Effect::#effect,
                    client_streaming: #client,
                    server_streaming: #server,
                    lasting: #lasting,
                    input: #input,
                    output: #output,
                },
            };
            (path, row)
        })
        .collect();
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    let rows = rows.into_iter().map(|(_, row)| row);
    quote! {
        /// Every method of the contract, by path.
        pub static METHODS: &[Method] = &[#(#rows)*];
    }
}
