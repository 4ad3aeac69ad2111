//! Series in memory: cells per worker, tables of label sets, admission of names, handles.

pub(crate) mod cardinality;
pub(crate) mod cells;
pub(crate) mod exemplars;
pub(crate) mod handles;
pub(crate) mod hot;
pub(crate) mod model_handles;
pub(crate) mod outcomes;
pub(crate) mod table;
