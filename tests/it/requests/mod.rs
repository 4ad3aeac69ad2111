//! Requests: HTTP routes, methods, bodies, forms, malformed requests.

pub(crate) mod azure_client;
pub(crate) mod body_memory;
pub(crate) mod http_surface;
pub(crate) mod invalid;
mod live_page;
pub(crate) mod multipart;
pub(crate) mod raw;
pub(crate) mod route_table;
pub(crate) mod trace_context;
