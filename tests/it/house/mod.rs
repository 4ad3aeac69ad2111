//! The project itself: direction of imports, generated files, promises of README and docs.

pub(crate) mod architecture;
pub(crate) mod docs;
pub(crate) mod docs_run;
pub(crate) mod generated;
#[cfg(feature = "real-software")]
pub(crate) mod readme;
pub(crate) mod reliability;
