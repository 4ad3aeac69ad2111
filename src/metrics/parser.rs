//! placeholder for merge
