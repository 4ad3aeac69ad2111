//! The route table and one file for each kind of request.

pub(crate) mod client_body;
mod gemini;
pub(crate) mod metrics;
mod model_call;
mod models;
mod passthrough;
mod resources;
pub(crate) mod routes;
pub(crate) mod serve;
