//! Real software around Aurora: nginx, Prometheus, Chromium, metric parsers, SDKs, shells.

pub(crate) mod anthropic_sdk;
mod compatibility;
mod live_page;
mod live_page_faults;
pub(crate) mod nginx;
pub(crate) mod openai_sdk;
pub(crate) mod parsers;
pub(crate) mod prometheus;
pub(crate) mod replicas;
pub(crate) mod rolling;
pub(crate) mod shells;
pub(crate) mod smuggling;
