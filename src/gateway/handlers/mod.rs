//! The route table and one file for each kind of request.

pub(crate) mod client_body;
mod gemini;
mod live_page;
mod model_call;
mod models;
pub(crate) mod pages;
mod passthrough;
mod resources;
pub(crate) mod routes;
pub(crate) mod serve;
