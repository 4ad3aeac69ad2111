//! The runbook, one section per alert.

use url::Url;

/// The runbook, as the repository has it.
const RUNBOOK: &str = include_str!("../../../docs/runbook.md");

/// The part of the runbook about one alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// Name of the alert.
    pub alert: &'static str,
    /// Meaning, what to look at, what to do: a Markdown list.
    pub text: &'static str,
}

impl Section {
    /// First sentence of the meaning, on one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let meaning = self.text.trim_start_matches("- **Means:** ");
        let (meaning, _) = meaning.split_once("\n- ").unwrap_or((meaning, ""));
        let line = meaning.split_whitespace().collect::<Vec<_>>().join(" ");
        line.split_once(". ").map_or(line.clone(), |(sentence, _)| format!("{sentence}."))
    }
}

/// Every section, in the order of the rules.
pub fn sections() -> impl Iterator<Item = Section> {
    RUNBOOK.split("\n## ").skip(1).map(|section| {
        let (alert, text) = section.split_once('\n').unwrap_or((section, ""));
        Section { alert, text: text.trim() }
    })
}

/// Address of an alert's section where the runbook is published at `base`: the anchor that GitHub, GitLab and most
/// generators of pages give a heading.
pub(super) fn address(base: &Url, alert: &str) -> String {
    let mut address = base.clone();
    address.set_fragment(Some(&alert.to_lowercase()));
    address.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_one_sentence_on_one_line() {
        let summary = |text| Section { alert: "A", text }.summary();
        assert_eq!(summary("- **Means:** One\n  thing. Another.\n- **Do:** Nothing."), "One thing.");
        assert_eq!(
            summary("- **Means:** 20 % of it: a,\n  b.\n- **Look at:** It. There."),
            "20 % of it: a, b."
        );
    }

    #[test]
    fn an_address_ends_in_the_anchor_of_the_heading() {
        let base = Url::parse("https://wiki.test/aurora?v=1").expect("a URL");
        assert_eq!(address(&base, "AuroraDown"), "https://wiki.test/aurora?v=1#auroradown");
    }
}
