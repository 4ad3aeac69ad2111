//! `docs/endpoints.md`, generated from the endpoint table and the provider table.

use crate::api::Endpoint;
use crate::api::endpoint::{Body, Content};
use crate::config::PROVIDER_TYPES;

const HEAD: &str = "\
# Endpoints

Generated from the endpoint table of the binary; edit that, not this page.

A request that names a model goes to the provider of the model. Any other request goes to the provider in the `provider` query
parameter, or to the only provider that supports the endpoint. The last column lists the provider types that support an
endpoint according to their public documentation; a request to any other type is refused with `unsupported_endpoint`. Paths
that are not listed are forwarded unchanged below `/p/PROVIDER/…`.

Usage is `declared` if every response declares its tokens (one that does not counts as missing), `optional` if it may, and
`none` if it does not, or if its tokens were counted with an earlier response.

";

const AZURE: &str = "
## Azure's clients

Azure's clients need Aurora's address as the resource (`azure_endpoint`) and one of Aurora's keys (`api-key`):

- `/openai/deployments/MODEL/…` calls the model in the path, for every endpoint marked `deployment` above. The model may be
  any that Aurora serves, including a model route and `PROVIDER/MODEL`; `model` is added to a body without it. The label
  `route` is `/openai/deployments/{model}/{rest}`.
- `/openai/v1/…` and `/openai/…` are other paths of `/v1/…` and have the same label `route`.
- `api-version` is forwarded only to providers whose models are deployments.
";

/// The whole page, in Markdown.
pub(super) fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str(
        "| endpoint | paths | body | response | usage | types |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for endpoint in Endpoint::ALL {
        if endpoint.paths().next().is_some() {
            page.push_str(&row(*endpoint));
        }
    }
    page.push_str(AZURE);
    page
}

fn row(endpoint: Endpoint) -> String {
    let paths = endpoint.paths().map(|at| format!("{} `/v1{}`", at.methods.replace(',', ", "), at.path));
    let body = match endpoint.body() {
        Body::Json => "JSON with a model",
        Body::Form => "form with a model",
        Body::FormOrJson => "form or JSON with a model",
        Body::AsIs => "as it is",
    };
    let deployment = if endpoint.is_of_deployment() { ", deployment" } else { "" };
    let response = match endpoint.content() {
        Content::Json | Content::JsonOrNothing => "JSON or events",
        Content::NoPage => "bytes, text, JSON or events",
        Content::Any => "anything",
    };
    let types = PROVIDER_TYPES.iter().filter(|row| row.supports.contains(&endpoint));
    let types = types.map(|row| format!("`{}`", row.name)).collect::<Vec<_>>().join(" ");
    let paths = paths.collect::<Vec<_>>().join("<br>");
    format!(
        "| `{}` | {paths} | {body}{deployment} | {response} | {} | {types} |\n",
        endpoint.as_str(),
        endpoint.usage_word()
    )
}
