//! Closed sets that labels take their values from.

use super::families::{self, Family};
use super::labels::{
    Attempt, AuthFailure, BreakerState, CallOutcome, ConnectionState, Direction, DisconnectStage, Endpoint,
    Format, HttpMethod, HttpOutcome, Overflow, Phase, Rejection, RetryReason, StatusClass, StatusType,
    Stream, StreamOutcome, Surface, TokenKind, Unpriced, UsageSource,
};

/// Values of `status` of a phase.
const PHASE_STATUSES: &[&str] = &["success", "error"];
/// Status codes of an authorized scrape.
const SCRAPE_CODES: &[&str] = &["200", "500"];

/// Every value that a label of a family takes; `None` where the values are names, status codes or facts.
pub(crate) fn words(family: &Family, label: &str) -> Option<&'static [&'static str]> {
    Some(match label {
        "code" => SCRAPE_CODES,
        "direction" => Direction::WORDS,
        "endpoint" => Endpoint::WORDS,
        "format" => Format::WORDS,
        "kind" => TokenKind::WORDS,
        "method" => HttpMethod::WORDS,
        "outcome" => return outcomes(family),
        "phase" => Phase::WORDS,
        "reason" => return reasons(family),
        "source" => UsageSource::WORDS,
        "stage" => DisconnectStage::WORDS,
        "state" if is(family, &families::HTTP_CONNECTIONS) => ConnectionState::WORDS,
        "state" | "to" => BreakerState::WORDS,
        "status" => PHASE_STATUSES,
        "status_class" => StatusClass::WORDS,
        "status_type" => StatusType::WORDS,
        "stream" if is(family, &families::PHASE_DURATION) => Stream::WORDS,
        "stream" => &Stream::WORDS[..2],
        "surface" => Surface::WORDS,
        _ => return None,
    })
}

fn outcomes(family: &Family) -> Option<&'static [&'static str]> {
    Some(match family {
        family if is(family, &families::ANSWERS) => CallOutcome::WORDS,
        family if is(family, &families::ATTEMPTS) => Attempt::WORDS,
        family if is(family, &families::FALLBACKS) => StatusType::WORDS,
        family if is(family, &families::HTTP_REQUESTS) => HttpOutcome::WORDS,
        family if is(family, &families::STREAMS) => StreamOutcome::WORDS,
        _ => return None,
    })
}

fn reasons(family: &Family) -> Option<&'static [&'static str]> {
    Some(match family {
        family if is(family, &families::AUTH_FAILURES) => AuthFailure::WORDS,
        family if is(family, &families::LABEL_OVERFLOW) => Overflow::WORDS,
        family if is(family, &families::REJECTED) => Rejection::WORDS,
        family if is(family, &families::RETRIES) => RetryReason::WORDS,
        family if is(family, &families::UNPRICED) => Unpriced::WORDS,
        _ => return None,
    })
}

fn is(family: &Family, row: &Family) -> bool {
    family.name == row.name
}
