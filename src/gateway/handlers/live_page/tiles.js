// Tiles: the figures of the first row.

/** Error ratio, time to first token and saturation from which a figure is marked, as on the Grafana dashboard. */
const [WATCHED_ERRORS, BAD_ERRORS] = [0.005, 0.01];
const SLOW_TOKEN = 5;
const [WATCHED_SATURATION, BAD_SATURATION] = [0.6, 0.8];
/** Failures without which an error ratio is not called failing: one of three requests is no trend. */
const FEW_FAILURES = 5;

/**
 * @param {number} failed
 * @param {number} counted
 */
function levelOfErrors(failed, counted) {
  if (!counted || failed / counted < WATCHED_ERRORS) return '';
  return failed / counted >= BAD_ERRORS && failed >= FEW_FAILURES ? 'error' : 'throttled';
}

/** @param {Record<string, number>} gauges */
function levelOfSaturation({inFlight = 0, inFlightLimit = 0}) {
  const share = inFlightLimit ? inFlight / inFlightLimit : 0;
  if (share < WATCHED_SATURATION) return '';
  return share >= BAD_SATURATION ? 'error' : 'throttled';
}

/**
 * @typedef {{value: string, unit: string, note: string, level?: string}} Shown
 * @typedef {{id: string, title: string, help: string, show: (change: Change | null, latest: Snapshot) => Shown,
 *   line: (change: Change) => number | null}} Tile
 */

/**
 * @param {string} id
 * @param {string} title
 * @param {string} help
 * @param {'duration' | 'firstToken'} histogram
 * @param {Edges} edges
 * @param {number} watch value from which it is slow, in seconds
 * @returns {Tile}
 */
function quantileTile(id, title, help, histogram, edges, watch) {
  return {
    id, title, help,
    show(change) {
      const counts = change ? change[histogram] : [];
      const found = quantile(0.95, counts, edges);
      const [value, unit] = quantileText(0.95, counts, edges).split(/ (?=\S+$)/);
      const note = `p50 ${quantileText(0.5, counts, edges)} · p99 ${quantileText(0.99, counts, edges)}`;
      return {value, unit: unit || '', note, level: found && found.value >= watch ? 'throttled' : ''};
    },
    line(change) {
      const found = quantile(0.95, change[histogram], edges);
      return found && found.value;
    },
  };
}

/** @type {Tile[]} */
const TILES = [
  {
    id: 'rate', title: 'Requests', help: 'aurora_answers_total',
    show(change, {all}) {
      const total = responses({...nothing(0), seconds: 1, counts: all.counts});
      return {value: change ? amount(responses(change) / change.seconds) : '–', unit: '/s', note: `${count(total)} since the start`};
    },
    line: (change) => responses(change) / change.seconds,
  },
  {
    id: 'errors', title: 'Error ratio', help: 'aurora_answers_total',
    show(change) {
      const {failed, counted} = change ? failures(change) : {failed: 0, counted: 0};
      const [value, unit] = percent(failed, counted).split(/ (?=%$)/);
      return {value, unit: unit || '', note: `${count(failed)} failed of ${count(counted)}`, level: levelOfErrors(failed, counted)};
    },
    line(change) {
      const {failed, counted} = failures(change);
      return counted > 0 ? failed / counted : 0;
    },
  },
  quantileTile('duration', 'Duration, p95', 'aurora_request_duration_seconds', 'duration', DURATION, Infinity),
  quantileTile('first-token', 'Time to first token, p95', 'aurora_time_to_first_token_seconds', 'firstToken', FIRST_TOKEN, SLOW_TOKEN),
  {
    id: 'tokens', title: 'Tokens', help: 'aurora_tokens_total',
    show(change) {
      const [input, output] = ['input', 'output'].map((name) => (change ? (change.counts[name] || 0) / change.seconds : null));
      return {value: amount(output), unit: '/s out', note: `${amount(input)} /s in`};
    },
    line: (change) => (change.counts.output || 0) / change.seconds,
  },
  {
    id: 'in-flight', title: 'In flight', help: 'aurora_http_requests_in_flight',
    show(_, {gauges}) {
      const {inFlight = 0, inFlightLimit = 0} = gauges;
      return {value: count(inFlight), unit: '', note: `of at most ${count(inFlightLimit)}`, level: levelOfSaturation(gauges)};
    },
    line: (change) => change.counts.inFlight,
  },
];

/** @param {Tile} tile */
function makeTile({id, title, help}) {
  const tile = make('section', 'panel tile');
  tile.id = `tile-${id}`;
  tile.setAttribute('aria-labelledby', `${tile.id}-title`);
  const [heading, value, note, about] = [make('h2'), make('p', 'value'), make('p', 'note'), make('p', 'help')];
  heading.id = `${tile.id}-title`;
  heading.textContent = title;
  value.append(make('span'), ' ', make('small'));
  about.dataset.help = help;
  tile.append(heading, value, note);
  svgChild(tile, 'svg', {class: 'spark', 'aria-hidden': 'true'});
  tile.append(about);
  element('tiles').append(tile);
  return tile;
}

/**
 * @param {History} history
 * @param {Step[]} steps
 * @param {number} now
 */
function showTiles(history, steps, now) {
  const change = history.all.lastMinute();
  for (const tile of TILES) {
    const where = document.getElementById(`tile-${tile.id}`) || makeTile(tile);
    const {value, unit, note, level} = tile.show(change, /** @type {Snapshot} */ (history.latest));
    const shown = /** @type {Element} */ (where.querySelector('.value'));
    shown.className = level ? `value level ${level}` : 'value';
    write(shown.children[0], value);
    write(shown.children[1], value === '–' ? '' : unit);
    write(/** @type {Element} */ (where.querySelector('.note')), note);
    const svg = /** @type {SVGElement} */ (where.querySelector('.spark'));
    drawLine(svg, tile.id === 'in-flight' ? history.inFlight : steps, now, tile.line);
  }
}
