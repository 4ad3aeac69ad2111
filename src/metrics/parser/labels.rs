//! Labels of a sample. A page of 100,000 rows has few distinct label sets and texts, so that samples share them.

use std::collections::HashSet;
use std::sync::Arc;

type Pair = (Arc<str>, Arc<str>);

/// Label names and unescaped values, each name once. The buckets of one histogram share all but `le`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Labels {
    /// Sorted by name, without `le`.
    shared: Arc<[Pair]>,
    le: Option<Arc<str>>,
}

impl Labels {
    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let (before, after) =
            self.shared.split_at(self.shared.partition_point(|(name, _)| name.as_ref() < "le"));
        let le = self.le.as_deref().map(|le| ("le", le));
        texts(before).chain(le).chain(texts(after))
    }

    /// The value of a label.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        if name == "le" {
            return self.le.as_deref();
        }
        texts(&self.shared).find(|(label, _)| *label == name).map(|(_, value)| value)
    }

    /// Without empty values, which Prometheus takes for absent.
    pub(crate) fn identity(&self) -> Self {
        if self.iter().all(|(_, value)| !value.is_empty()) {
            return self.clone();
        }
        Self {
            shared: self.shared.iter().filter(|(_, value)| !value.is_empty()).cloned().collect(),
            le: self.le.clone().filter(|le| !le.is_empty()),
        }
    }
}

fn texts(pairs: &[Pair]) -> impl Iterator<Item = (&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
}

/// Texts and label sets that were read already.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    texts: HashSet<Arc<str>>,
    /// Those of the sample before.
    last: Arc<[Pair]>,
}

impl Interner {
    pub(crate) fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let text: Arc<str> = text.into();
        self.texts.insert(text.clone());
        text
    }

    /// Takes labels that are sorted by name.
    pub(crate) fn labels(&mut self, mut given: Vec<(String, String)>) -> Labels {
        let place = given.iter().position(|(name, _)| name == "le");
        let le = place.map(|place| self.text(&given.remove(place).1));
        let is_last = self.last.len() == given.len()
            && texts(&self.last)
                .zip(&given)
                .all(|((name, value), given)| name == given.0 && value == given.1);
        if !is_last {
            self.last = given.iter().map(|(name, value)| (self.text(name), self.text(value))).collect();
        }
        Labels { shared: self.last.clone(), le }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(interner: &mut Interner, given: &[(&str, &str)]) -> Labels {
        interner.labels(given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn labels_are_sorted_and_buckets_share_all_but_the_edge() {
        let mut interner = Interner::default();
        let first = labels(&mut interner, &[("kind", "a"), ("le", "1"), ("model", "m")]);
        let second = labels(&mut interner, &[("kind", "a"), ("le", "2"), ("model", "m")]);
        assert_eq!(first.iter().collect::<Vec<_>>(), [("kind", "a"), ("le", "1"), ("model", "m")]);
        assert_eq!(
            (first.get("le"), second.get("le"), second.get("model")),
            (Some("1"), Some("2"), Some("m"))
        );
        assert!(Arc::ptr_eq(&first.shared, &second.shared) && first != second);
        let empty = labels(&mut interner, &[("kind", ""), ("model", "m")]);
        assert_eq!(empty.identity(), labels(&mut interner, &[("model", "m")]));
        assert_eq!(empty.get("absent"), None);
    }
}
