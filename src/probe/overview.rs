//! Overview of a page that is not Aurora's: its largest families, its process, its growth.

use crate::metrics::parser::{Exposition, Kind};

/// Families in an overview.
const FAMILIES: usize = 10;

/// The facts that any exporter's page shows.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Overview {
    /// The families with the most series, largest first.
    pub families: Vec<FamilySize>,
    /// Values of the standard `process_` families.
    pub process: Vec<(String, f64)>,
}

/// One family in numbers.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct FamilySize {
    /// Its name.
    pub family: String,
    /// Its label sets.
    pub series: usize,
    /// Sum of a counter, or number of a histogram's observations; with `--over`, the increase.
    pub counted: Option<f64>,
}

impl Overview {
    /// Reads it; `None` from a page of Aurora, whose numbers say more.
    pub(crate) fn of(exposition: &Exposition) -> Option<Self> {
        if exposition.family("aurora_build_info").is_some()
            || exposition.family("aurora_requests_total").is_some()
        {
            return None;
        }
        let mut families = Vec::new();
        let mut process = Vec::new();
        for family in &exposition.families {
            if let (true, [sample]) = (family.name.starts_with("process_"), family.samples.as_slice()) {
                process.push((family.name.clone(), sample.value));
            }
            let counts = family.samples.iter().filter(|sample| match family.kind {
                Kind::Histogram | Kind::Summary => sample.name.ends_with("_count"),
                Kind::Counter | Kind::Gauge | Kind::Untyped => true,
            });
            let is_counted = matches!(family.kind, Kind::Counter | Kind::Histogram | Kind::Summary);
            let counted = is_counted.then(|| counts.map(|sample| sample.value).sum());
            families.push(FamilySize { family: family.name.clone(), series: family.series(), counted });
        }
        families.sort_by_key(|family| std::cmp::Reverse(family.series));
        families.truncate(FAMILIES);
        Some(Self { families, process })
    }
}
