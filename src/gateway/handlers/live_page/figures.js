// Figures of one exposition, and their history in the memory of this tab.

/** Time that the charts cover, and the window of every rate and quantile, in milliseconds. */
const CHARTED = 300_000;
const WINDOW = 60_000;
/** Longest time between two polls that is drawn; a longer one, as of a hidden tab, is a gap. */
const LONGEST_STEP = 90_000;
/** Models whose history is kept, and those that are shown. */
const TRACKED_MODELS = 40;
const SHOWN_MODELS = 20;
/** Part of a model's score that is left after the next poll. */
const DECAY = 0.95;
/** Bucket edges of a family that are read. */
const MOST_EDGES = 64;

/**
 * Meaning of each outcome of `aurora_answers_total`, in the palette of the Grafana dashboard.
 * @type {Record<string, string>}
 */
const MEANINGS = {
  ok: 'ok', ok_after_retry: 'ok', ok_after_fallback: 'ok',
  upstream_error: 'error', gateway_error: 'error', broken_stream: 'error',
  rate_limited: 'throttled', caller_error: 'mistake', cancelled: 'cancelled',
};

/**
 * Counters of the process or of one model at a point in time.
 * @typedef {{at: number, start: number, counts: Record<string, number>, duration: number[], firstToken: number[]}} Counted
 * @typedef {{seconds: number, counts: Record<string, number>, duration: number[], firstToken: number[]}} Change
 * @typedef {{from: number, to: number, change: Change}} Step
 * @typedef {Counted & {provider: string, name: string}} Model
 * @typedef {{provider: string, model: string, state: string}} Breaker
 */

/** Upper edges of a histogram's buckets, by their place in an array of counts. The places stay for the life of the tab. */
class Edges {
  constructor() {
    /** @type {number[]} */
    this.values = [];
    /** @type {Map<string, number>} */
    this.places = new Map();
  }

  /** @param {string} text value of the label `le` */
  place(text) {
    let place = this.places.get(text);
    if (place === undefined && this.values.length < MOST_EDGES) {
      place = this.values.push(numberOf(text)) - 1;
      this.places.set(text, place);
    }
    return place;
  }

  /** Places in the order of their edges. */
  ordered() {
    return this.values.map((_, place) => place).sort((one, other) => this.values[one] - this.values[other]);
  }
}

const DURATION = new Edges();
const FIRST_TOKEN = new Edges();

/**
 * @param {number} at
 * @returns {Counted}
 */
function nothing(at) {
  return {at, start: 0, counts: Object.create(null), duration: [], firstToken: []};
}

/**
 * @param {Record<string, number>} counts
 * @param {string} name
 * @param {number} value
 */
function add(counts, name, value) {
  counts[name] = (counts[name] || 0) + value;
}

/**
 * @param {number[]} counts
 * @param {Edges} edges
 * @param {Sample} sample
 */
function addBucket(counts, edges, sample) {
  const place = edges.place(sample.labels.le);
  if (place !== undefined) counts[place] = (counts[place] || 0) + sample.value;
}

/** Figures of one exposition. */
class Snapshot {
  /** @param {number} at */
  constructor(at) {
    this.all = nothing(at);
    /** @type {Map<string, Model>} */
    this.models = new Map();
    /** @type {Record<string, number>} */
    this.gauges = Object.create(null);
    /** @type {Record<string, string>} */
    this.facts = Object.create(null);
    /** @type {Breaker[]} */
    this.breakers = [];
    /** @type {Map<string, {sets: number, limit: number}>} */
    this.sets = new Map();
  }

  /** @param {Sample} sample */
  model({labels}) {
    const {provider = '', model = ''} = labels;
    const key = `${provider}\n${model}`;
    let found = this.models.get(key);
    if (!found) {
      found = {...nothing(this.all.at), provider, name: model};
      this.models.set(key, found);
    }
    return found;
  }

  /** @param {Sample} sample */
  family({labels}) {
    const found = this.sets.get(labels.family) || {sets: 0, limit: 0};
    this.sets.set(labels.family, found);
    return found;
  }
}

/**
 * A gauge without labels, or the sum of those with labels.
 * @param {string} name
 * @returns {(snapshot: Snapshot, sample: Sample) => void}
 */
function gauge(name) {
  return (snapshot, {value}) => add(snapshot.gauges, name, value);
}

/**
 * What a sample adds to a snapshot, by its name.
 * @type {Record<string, (snapshot: Snapshot, sample: Sample) => void>}
 */
const READERS = {
  aurora_answers_total({all}, {labels, value}) {
    add(all.counts, MEANINGS[labels.outcome] || 'other', value);
  },
  aurora_requests_total(snapshot, sample) {
    const {counts} = snapshot.model(sample);
    add(counts, 'requests', sample.value);
    if (sample.labels.status_type === 'error') add(counts, 'errors', sample.value);
    if (sample.labels.status_type === 'cancelled') add(counts, 'cancelled', sample.value);
  },
  aurora_request_duration_seconds_bucket(snapshot, sample) {
    addBucket(snapshot.all.duration, DURATION, sample);
    addBucket(snapshot.model(sample).duration, DURATION, sample);
  },
  aurora_time_to_first_token_seconds_bucket(snapshot, sample) {
    addBucket(snapshot.all.firstToken, FIRST_TOKEN, sample);
    addBucket(snapshot.model(sample).firstToken, FIRST_TOKEN, sample);
  },
  aurora_tokens_total(snapshot, sample) {
    add(snapshot.all.counts, sample.labels.direction, sample.value);
    add(snapshot.model(sample).counts, sample.labels.direction, sample.value);
  },
  aurora_circuit_breaker_state({breakers}, {labels, value}) {
    if (value > 0) breakers.push({provider: labels.provider, model: labels.model, state: labels.state});
  },
  aurora_metrics_label_sets(snapshot, sample) {
    snapshot.family(sample).sets = sample.value;
  },
  aurora_metrics_label_sets_limit(snapshot, sample) {
    snapshot.family(sample).limit = sample.value;
  },
  aurora_build_info({facts}, {labels}) {
    facts.version = labels.version;
    facts.revision = labels.revision;
  },
  aurora_http_connections({gauges}, {labels, value}) {
    add(gauges, `connections ${labels.state}`, value);
  },
  process_start_time_seconds({all}, {value}) {
    all.start = value;
  },
  process_cpu_seconds_total({all}, {value}) {
    add(all.counts, 'cpu', value);
  },
  aurora_panics_total({all}, {value}) {
    add(all.counts, 'panics', value);
  },
  aurora_metrics_label_overflow_total({all}, {value}) {
    add(all.counts, 'overflow', value);
  },
  aurora_http_requests_in_flight: gauge('inFlight'),
  aurora_http_requests_in_flight_limit: gauge('inFlightLimit'),
  aurora_config_last_reload_successful: gauge('reloaded'),
  aurora_config_last_reload_success_timestamp_seconds: gauge('reloadedAt'),
  process_resident_memory_bytes: gauge('memory'),
};

/**
 * Reads a response into a snapshot.
 * @param {Response} response
 * @param {number} at
 */
async function readSnapshot(response, at) {
  const snapshot = new Snapshot(at);
  const wanted = new Map(Object.entries(READERS).map(
    ([name, read]) => [name, (/** @type {Sample} */ sample) => read(snapshot, sample)],
  ));
  const reading = await readExposition(response, wanted);
  if (!snapshot.facts.version) throw new InvalidExposition('is not an exposition of Aurora');
  for (const model of snapshot.models.values()) model.start = snapshot.all.start;
  return {snapshot, reading};
}

/**
 * @param {number[]} newer
 * @param {number[]} older
 */
function bucketsBetween(newer, older) {
  return Array.from(newer, (count, place) => Math.max(0, (count || 0) - (older[place] || 0)));
}

/**
 * Change between two points in time; null where one of the counters became smaller: the process restarted.
 * @param {Counted} newer
 * @param {Counted} older
 * @returns {Change | null}
 */
function between(newer, older) {
  const seconds = (newer.at - older.at) / 1000;
  if (newer.start !== older.start || seconds <= 0) return null;
  const counts = Object.create(null);
  for (const name of Object.keys(newer.counts)) {
    counts[name] = newer.counts[name] - (older.counts[name] || 0);
    if (counts[name] < 0) return null;
  }
  return {
    seconds,
    counts,
    duration: bucketsBetween(newer.duration, older.duration),
    firstToken: bucketsBetween(newer.firstToken, older.firstToken),
  };
}

/** Counters of the last minutes. Those of different processes are never compared. */
class Series {
  constructor() {
    /** @type {Counted[]} */
    this.points = [];
  }

  /** @param {Counted} point */
  push(point) {
    this.points.push(point);
    // One point from before the charts begin is kept for the first step.
    while (this.points.length > 2 && this.points[1].at < point.at - CHARTED) this.points.shift();
  }

  /**
   * The point before another one of the same process.
   * @param {number} index
   */
  before(index) {
    for (let at = index - 1; at >= 0; at -= 1) {
      if (this.points[at].start === this.points[index].start) return this.points[at];
    }
    return null;
  }

  /** @returns {Step[]} */
  steps() {
    const steps = [];
    for (let index = 1; index < this.points.length; index += 1) {
      const [older, newer] = [this.before(index), this.points[index]];
      const change = older && between(newer, older);
      if (older && change) steps.push({from: older.at, to: newer.at, change});
    }
    return steps.filter(({from, to}) => to - from < LONGEST_STEP);
  }

  /** Change over the window, or over what is known of it; null without two points. */
  lastMinute() {
    const newest = this.points[this.points.length - 1];
    if (!newest) return null;
    const from = newest.at - WINDOW - 1000;
    for (const older of this.points) {
      const change = older.at >= from && older !== newest && between(newest, older);
      if (change) return change;
    }
    return null;
  }
}

/** Everything the tab remembers. */
class History {
  constructor() {
    this.all = new Series();
    /** @type {Snapshot | null} */
    this.latest = null;
    /** @type {Map<string, Series>} */
    this.tracks = new Map();
    /** @type {Map<string, {total: number, score: number}>} */
    this.ranks = new Map();
    this.known = this.ranks;
    /** Number of models with a request. */
    this.requested = 0;
    /** @type {number[]} */
    this.restarts = [];
    /** @type {Step[]} requests in flight, each until the next poll */
    this.inFlight = [];
    this.hasReplicas = false;
    this.newestStart = 0;
  }

  /** @param {Snapshot} snapshot */
  add(snapshot) {
    this.noteProcess(snapshot);
    const top = this.rank(snapshot);
    this.track(snapshot, top);
    this.all.push(snapshot.all);
    this.noteInFlight(snapshot);
    this.latest = snapshot;
    // Only what is tracked is kept.
    snapshot.models.clear();
  }

  /**
   * Notices a restart. A start time that goes back is that of another replica behind the same address.
   * @param {Snapshot} snapshot
   */
  noteProcess({all}) {
    if (this.latest && all.start > this.newestStart) this.restarts.push(all.at);
    if (this.latest && all.start < this.newestStart) this.hasReplicas = true;
    this.newestStart = Math.max(this.newestStart, all.start);
    this.restarts = this.hasReplicas ? [] : this.restarts.filter((at) => at > all.at - CHARTED);
  }

  /** @param {Snapshot} snapshot */
  noteInFlight({all, gauges}) {
    const change = {...nothing(all.at), seconds: 1, counts: {inFlight: gauges.inFlight || 0}};
    if (this.latest && this.latest.all.start === all.start) {
      this.inFlight.push({from: this.latest.all.at, to: all.at, change});
    }
    this.inFlight = this.inFlight.filter(({from, to}) => to > all.at - CHARTED && to - from < LONGEST_STEP);
  }

  /**
   * Keys of the models with the most traffic since the page was opened, then with the most requests at all.
   * @param {Snapshot} snapshot
   */
  rank({models}) {
    const ranks = new Map();
    for (const [key, model] of models) {
      const total = model.counts.requests || 0;
      const before = this.ranks.get(key);
      // A model without a series before had no requests before, unless this is the first exposition.
      const newRequests = before || this.latest ? Math.max(0, total - (before ? before.total : 0)) : 0;
      ranks.set(key, {total, score: (before ? before.score * DECAY : 0) + newRequests});
    }
    // Some series are there before the first request.
    const rows = [...ranks].filter(([, {total}]) => total > 0);
    rows.sort(([, one], [, other]) => other.score - one.score || other.total - one.total);
    this.requested = rows.length;
    this.known = this.ranks;
    this.ranks = ranks;
    return rows.slice(0, TRACKED_MODELS).map(([key]) => key);
  }

  /**
   * @param {Snapshot} snapshot
   * @param {string[]} top
   */
  track({models, all}, top) {
    const tracks = new Map();
    for (const key of top) {
      const model = /** @type {Model} */ (models.get(key));
      let track = this.tracks.get(key);
      if (!track) {
        track = new Series();
        const isNew = this.latest && !this.known.get(key)?.total && this.latest.all.start === all.start;
        if (isNew && this.latest) track.push({...nothing(this.latest.all.at), start: all.start});
      }
      track.push(model);
      tracks.set(key, track);
    }
    this.tracks = tracks;
  }

  /** Models to show, with their history. */
  models() {
    return [...this.tracks.values()].slice(0, SHOWN_MODELS).map((track) => {
      const model = /** @type {Model} */ (track.points[track.points.length - 1]);
      return {model, track, change: track.lastMinute()};
    });
  }
}

/**
 * A quantile by linear interpolation within its bucket, as `histogram_quantile` of Prometheus has it. Beyond the last
 * edge it is that edge, and `beyond` says so.
 * @param {number} share
 * @param {number[]} counts of observations up to each edge
 * @param {Edges} edges
 * @returns {{value: number, beyond: boolean} | null}
 */
function quantile(share, counts, edges) {
  const places = edges.ordered();
  const total = places.length ? counts[places[places.length - 1]] || 0 : 0;
  if (total <= 0) return null;
  let [lower, below] = [0, 0];
  for (const place of places) {
    const [edge, count] = [edges.values[place], counts[place] || 0];
    if (count >= share * total && count > below) {
      if (edge === Infinity) return {value: lower, beyond: true};
      return {value: lower + (edge - lower) * ((share * total - below) / (count - below)), beyond: false};
    }
    [lower, below] = [edge, Math.max(below, count)];
  }
  return null;
}

/**
 * Failed responses, and those that count: by the definition of the recording rules, neither mistakes of the client nor
 * disconnects.
 * @param {Change} change
 */
function failures({counts}) {
  const failed = (counts.error || 0) + (counts.throttled || 0);
  return {failed, counted: failed + (counts.ok || 0)};
}

/** @param {Change} change */
function responses({counts}) {
  return ['ok', 'error', 'throttled', 'mistake', 'cancelled'].reduce((sum, name) => sum + (counts[name] || 0), 0);
}
