//! The families about families: label sets, their limit, and observations that a limit folded.

use super::{Numbers, Shown};
use crate::metrics::catalog::families::{self, FAMILIES, Family};
use crate::metrics::catalog::labels::{Label, Overflow};
use crate::metrics::{Metrics, Pace};

impl Metrics {
    /// The three families, given all others.
    pub(super) fn families_about_families(&self, shown: &[Shown], pace: &mut Pace) -> [Shown; 3] {
        let mut limits = Vec::new();
        let mut overflow = Vec::new();
        for family in FAMILIES.iter().filter(|family| family.folds()) {
            pace.step();
            limits.push((vec![name(family)], self.max_series as u64));
            let folded = numbers(shown, family).map_or([0; Overflow::COUNT], Numbers::overflow);
            for (reason, count) in Overflow::ALL.iter().zip(folded) {
                overflow.push((vec![name(family), (*reason).into()], count));
            }
        }
        let labelled = FAMILIES.iter().filter(|family| !family.labels.is_empty());
        let mut sets: Vec<(Vec<Label>, u64)> = Vec::new();
        let count_of_labelled = labelled.clone().count();
        for family in labelled {
            let count = match family.name {
                own if own == families::LABEL_SETS.name => count_of_labelled,
                own if own == families::LABEL_SETS_LIMIT.name => limits.len(),
                own if own == families::LABEL_OVERFLOW.name => overflow.len(),
                _ => numbers(shown, family).map_or(0, Numbers::series),
            };
            sets.push((vec![name(family)], count as u64));
        }
        [
            Shown { family: &families::LABEL_SETS, numbers: Numbers::Counts(sets) },
            Shown { family: &families::LABEL_SETS_LIMIT, numbers: Numbers::Counts(limits) },
            Shown { family: &families::LABEL_OVERFLOW, numbers: Numbers::Counts(overflow) },
        ]
    }
}

fn numbers<'s>(shown: &'s [Shown], family: &Family) -> Option<&'s Numbers> {
    let shown = shown.iter().find(|shown| shown.family.name == family.name)?;
    Some(&shown.numbers)
}

fn name(family: &'static Family) -> Label {
    Label::Static(&family.name)
}
