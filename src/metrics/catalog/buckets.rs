//! Bucket edges of the histograms, each list with its reason.

/// Most edges of a histogram; every list is checked against it at compile time.
pub(crate) const MAX_EDGES: usize = 21;

/// Bucket edges: as the exposition shows them, and as observations are compared: nanoseconds for seconds, else as shown.
#[derive(Debug)]
pub struct Buckets {
    /// Upper edges in the family's unit, ascending, without `+Inf`.
    pub upper: &'static [f64],
    edges: &'static [u64],
    /// By the number of bits of an observation, how many edges have fewer: where the search for its bucket begins.
    shorter: [u8; 65],
    /// Observations per unit, such as nanoseconds per second.
    pub(crate) scale: u64,
}

impl Buckets {
    /// The bucket of an observation. Edges are so far apart that a step or two remain after the first guess.
    pub(crate) fn place(&self, value: u64) -> usize {
        let mut place = usize::from(self.shorter[bits(value)]);
        while self.edges.get(place).is_some_and(|edge| *edge < value) {
            place += 1;
        }
        place
    }
}

/// Number of bits without leading zeros.
const fn bits(value: u64) -> usize {
    (u64::BITS - value.leading_zeros()) as usize
}

/// See [`Buckets`].
const fn shorter(edges: &[u64]) -> [u8; 65] {
    let mut counts = [0; 65];
    let mut length = 0;
    while length < counts.len() {
        let mut i = 0;
        while i < edges.len() && bits(edges[i]) < length {
            i += 1;
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most MAX_EDGES")]
        {
            counts[length] = i as u8;
        }
        length += 1;
    }
    counts
}

/// Nanoseconds of a second.
const SECONDS: u64 = 1_000_000_000;
/// Bytes are observed as they are.
const BYTES: u64 = 1;

/// Edges as whole observations.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "edges are positive and far below the 584 years that fit; evaluated at compile time"
)]
const fn observed<const N: usize>(upper: [f64; N], scale: u64) -> [u64; N] {
    assert!(N <= MAX_EDGES);
    let mut edges = [0; N];
    let mut i = 0;
    while i < N {
        edges[i] = (upper[i] * scale as f64 + 0.5) as u64;
        i += 1;
    }
    edges
}

macro_rules! buckets {
    ($(#[$doc:meta])* $name:ident $scale:ident: $($edge:literal)+) => {
        $(#[$doc])*
        pub(crate) static $name: Buckets = {
            const UPPER: &[f64] = &[$($edge),+];
            static EDGES: [u64; UPPER.len()] = observed([$($edge),+], $scale);
            Buckets { upper: UPPER, edges: &EDGES, shorter: shorter(&EDGES), scale: $scale }
        };
    };
}

buckets! {
    /// Whole responses: embeddings take tens of milliseconds, reasoning models minutes.
    DURATION SECONDS: 0.01 0.025 0.05 0.1 0.25 0.5 1.0 2.0 3.0 5.0 10.0 20.0 30.0 60.0 120.0 300.0 600.0
}
buckets! {
    /// First tokens: the range in which people notice a wait, up to the longest reasoning pause.
    TTFT SECONDS: 0.025 0.05 0.1 0.25 0.5 0.75 1.0 1.5 2.0 3.0 5.0 10.0 20.0 30.0 60.0 120.0 300.0
}
buckets! {
    /// Time per output token: from a small model on fast hardware to one that is barely alive.
    TPOT SECONDS: 0.001 0.0025 0.005 0.01 0.015 0.025 0.05 0.075 0.1 0.15 0.25 0.5 1.0 2.5
}
buckets! {
    /// Silences inside a stream: from a hiccup to the default of `http.stream_idle`.
    GAP SECONDS: 0.05 0.1 0.25 0.5 1.0 2.0 5.0 10.0 30.0 60.0 120.0 300.0
}
buckets! {
    /// Phases: from the gateway's own microseconds to a whole response.
    PHASE SECONDS: 0.0001 0.00025 0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1.0 2.5 5.0 10.0 30.0 60.0
        120.0 300.0 600.0
}
buckets! {
    /// Overhead of the gateway itself: tens of microseconds, unless something is wrong.
    OVERHEAD SECONDS: 0.00005 0.0001 0.00025 0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1.0 5.0
}
buckets! {
    /// Sizes: from an error to a batch of embeddings, each edge four times the one before.
    SIZE BYTES: 256.0 1024.0 4096.0 16384.0 65536.0 262144.0 1048576.0 4194304.0 16777216.0 67108864.0
}

#[cfg(test)]
mod tests {
    use crate::metrics::catalog::families::FAMILIES;

    #[test]
    fn every_observation_has_its_bucket() {
        for family in FAMILIES {
            let Some(buckets) = family.buckets else { continue };
            let near = buckets.edges.iter().flat_map(|edge| [edge - 1, *edge, edge + 1]);
            for value in near.chain((0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit])).chain([u64::MAX]) {
                let expected = buckets.edges.partition_point(|edge| *edge < value);
                assert_eq!(buckets.place(value), expected, "{value} in {}", family.name);
            }
        }
    }
}
