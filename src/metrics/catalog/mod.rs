//! The contract as data: families, buckets, label values, worst case, reference.

pub mod buckets;
pub mod families;
pub mod labels;
pub(crate) mod reference;
pub(super) mod vocabulary;
pub mod worst_case;
