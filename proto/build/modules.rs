//! Generates the tree of modules that the packages make, documented by the comments that head the
//! proto files.

use std::collections::BTreeMap;

use proc_macro2::TokenStream;
use quote::quote;

use crate::names;
use crate::schema::{self, Contract};

/// The path of `syntax` in a file's source info: the comment that heads a file stands above it.
const SYNTAX: [i32; 1] = [12];

/// The modules. prost puts each package's code into a file beside the one that this is for.
pub(crate) fn generate(contract: &Contract) -> TokenStream {
    // area -> version -> the comments of its files
    let mut areas: BTreeMap<&str, BTreeMap<&str, Vec<String>>> = BTreeMap::new();
    for file in contract.files() {
        let mut parts = file.package_name().split('.').skip(1);
        let (Some(area), Some(version)) = (parts.next(), parts.next()) else { continue };
        let comments = areas.entry(area).or_default().entry(version).or_default();
        comments.push(schema::comment(file, &SYNTAX));
    }
    areas
        .into_iter()
        .map(|(area, versions)| {
            let doc = format!("Package `desmigratif.{area}`, by version.");
            let versions = versions.into_iter().map(|(version, comments)| {
                let package = format!("desmigratif.{area}.{version}");
                let doc = format!("{}\n\nPackage `{package}`.", comments.join("\n\n"));
                let path = format!("{package}.rs");
                let version = names::ident(version);
                quote! {
                    #[doc = #doc]
                    #[allow(
                        missing_docs,
                        unused_qualifications,
                        clippy::all,
                        clippy::needless_pass_by_value,
                        clippy::semicolon_if_nothing_returned,
                        rustdoc::all
                    )]
                    pub mod #version {
                        include!(#path);
                    }
                }
            });
            let area = names::ident(area);
            quote! {
                #[doc = #doc]
                pub mod #area {
                    #(#versions)*
                }
            }
        })
        .collect()
}
