// Panels: what each shows of the history.

/** Rows of the tables of circuit breakers and families. */
const SHOWN_BREAKERS = 12;
const SHOWN_FAMILIES = 8;
/** Use of a limit from which it is marked. */
const WATCHED_USE = 0.8;

/** Outcomes from the lowest part of a column to the highest, with their words. */
const OUTCOMES = {ok: 'ok', mistake: 'client error', cancelled: 'cancelled', throttled: 'throttled', error: 'error'};

/** @typedef {{level: 'bad' | 'watch', text: string, figure?: string}} Reason */

// Health

/**
 * @param {Reason[]} reasons
 * @param {Change | null} change
 * @param {Snapshot} latest
 */
function addReasonsOfTraffic(reasons, change, {gauges}) {
  const {failed, counted} = change ? failures(change) : {failed: 0, counted: 0};
  const errors = levelOfErrors(failed, counted);
  if (errors) {
    reasons.push({level: errors === 'error' ? 'bad' : 'watch', text: 'Requests fail', figure: percent(failed, counted)});
  }
  const saturation = levelOfSaturation(gauges);
  if (saturation) {
    const figure = percent(gauges.inFlight, gauges.inFlightLimit);
    reasons.push({level: saturation === 'error' ? 'bad' : 'watch', text: 'Requests in flight are near their limit', figure});
  }
  const slow = change && quantile(0.95, change.firstToken, FIRST_TOKEN);
  if (slow && slow.value >= SLOW_TOKEN) {
    const figure = quantileText(0.95, change.firstToken, FIRST_TOKEN);
    reasons.push({level: slow.value >= 2 * SLOW_TOKEN ? 'bad' : 'watch', text: 'First tokens are slow', figure});
  }
}

/**
 * @param {Reason[]} reasons
 * @param {Change | null} change
 * @param {Snapshot} latest
 */
function addReasonsOfGateway(reasons, change, {gauges, breakers, sets}) {
  for (const {provider, model, state} of breakers.filter(({state}) => state !== 'closed').slice(0, 3)) {
    const name = visible(model ? `${provider}/${model}` : provider);
    reasons.push({level: state === 'open' ? 'bad' : 'watch', text: `The circuit breaker of ${name} is ${words(state)}`});
  }
  if (gauges.reloaded === 0) reasons.push({level: 'watch', text: 'The last reload was refused; the log says why'});
  if (change && change.counts.panics > 0) reasons.push({level: 'bad', text: 'A request panicked; the log says where'});
  const full = [...sets].filter(([, {sets: used, limit}]) => limit > 0 && used >= limit);
  if (full.length) reasons.push({level: 'watch', text: 'Label sets are at their limit: new models count as other'});
}

/** @param {string} state */
function words(state) {
  return visible(state).replace('_', '-');
}

/**
 * A sentence for the case that nothing is wrong.
 * @param {Change | null} change
 * @param {Snapshot} latest
 */
function calm(change, {breakers}) {
  if (!change) return 'Reading the first figures';
  const rate = responses(change) / change.seconds;
  if (!rate) return 'Idle: no requests in the last minute';
  const {failed, counted} = failures(change);
  const closed = breakers.length ? ', every circuit breaker closed' : '';
  return `${amount(rate)} requests per second, ${counted ? percent(failed, counted) : 'none'} failed${closed}`;
}

/** @param {History} history */
function showHealth(history) {
  const change = history.all.lastMinute();
  const latest = /** @type {Snapshot} */ (history.latest);
  /** @type {Reason[]} */
  const reasons = [];
  addReasonsOfTraffic(reasons, change, latest);
  addReasonsOfGateway(reasons, change, latest);
  const isBad = reasons.some(({level}) => level === 'bad');
  const health = isBad ? 'bad' : reasons.length ? 'watch' : change ? 'well' : 'waiting';
  const word = {bad: 'Failing', watch: 'Attention', well: 'Well', waiting: 'Reading'}[health];
  element('health').dataset.health = health;
  write(element('health-word'), word);
  const texts = reasons.map(({text, figure}) => (figure ? `${text}: ${figure}` : text));
  fillList(element('health-reasons'), texts.length ? texts : [calm(change, latest)]);
  // Without figures, so that it is read out when something changes and not at every poll.
  write(element('health-live'), health === 'waiting' ? '' : [word, ...reasons.map(({text}) => text)].join('. '));
  document.title = health === 'waiting' ? 'Aurora' : `${word} · Aurora`;
}

// Charts

/**
 * @param {History} history
 * @param {Step[]} steps
 * @param {number} now
 */
function showOutcomes(history, steps, now) {
  const change = history.all.lastMinute();
  const top = drawColumns(element('outcomes-chart'), steps, now, Object.keys(OUTCOMES), history.restarts);
  write(element('outcomes-top'), `${Number(top.toPrecision(2))} /s`);
  const all = change ? responses(change) : 0;
  fillRows(element('outcomes'), Object.entries(OUTCOMES).map(([name, word]) => {
    const part = change ? change.counts[name] || 0 : 0;
    return [
      {text: word, head: true, style: `shape ${name}`},
      {text: change ? amount(part / change.seconds) : '–', number: true},
      {text: change ? percent(part, all) : '–', number: true},
    ];
  }));
}

/**
 * @param {History} history
 * @param {Step[]} steps
 * @param {number} now
 */
function showHeat(history, steps, now) {
  const change = history.all.lastMinute();
  const edges = drawHeat(element('heat'), steps, now);
  const highest = Math.max(...edges.filter(Number.isFinite));
  fillList(element('heat-edges'), edges.map((edge) => (edge === Infinity ? `> ${time(highest)}` : time(edge))));
  const counts = change ? change.duration : [];
  fillFacts(element('quantiles'), [50, 95, 99].map((share) => [`p${share}`, quantileText(share / 100, counts, DURATION)]));
}

// Models

/**
 * @typedef {ReturnType<History['models']>[number]} Row
 * @typedef {{title: string, cell: (row: Row) => Cell, order?: (row: Row) => number | string}} Column
 */

/**
 * @param {string} title
 * @param {number} share
 * @param {'duration' | 'firstToken'} histogram
 * @param {Edges} edges
 * @returns {Column}
 */
function quantileColumn(title, share, histogram, edges) {
  return {
    title,
    cell: ({change}) => ({text: quantileText(share, change ? change[histogram] : [], edges), number: true}),
    order: ({change}) => (change && quantile(share, change[histogram], edges)?.value) || 0,
  };
}

/** @param {Row} row */
function errorsOf({change}) {
  const {requests = 0, errors = 0, cancelled = 0} = change ? change.counts : {};
  return {errors, counted: requests - cancelled};
}

/** @type {Column[]} */
const COLUMNS = [
  {title: 'model', cell: ({model}) => ({text: visible(model.name) || '(no model)', head: true}), order: ({model}) => model.name},
  {title: 'provider', cell: ({model}) => ({text: visible(model.provider)}), order: ({model}) => model.provider},
  {
    title: 'requests /s',
    cell: ({change}) => ({text: change ? amount((change.counts.requests || 0) / change.seconds) : '–', number: true}),
    order: ({change}) => (change ? (change.counts.requests || 0) / change.seconds : 0),
  },
  {
    title: 'errors',
    cell(row) {
      const {errors, counted} = errorsOf(row);
      const level = levelOfErrors(errors, counted);
      return {text: percent(errors, counted), number: true, style: level && `level shape ${level}`};
    },
    order(row) {
      const {errors, counted} = errorsOf(row);
      return counted > 0 ? errors / counted : 0;
    },
  },
  quantileColumn('p50', 0.5, 'duration', DURATION),
  quantileColumn('p95', 0.95, 'duration', DURATION),
  quantileColumn('p99', 0.99, 'duration', DURATION),
  quantileColumn('first token p95', 0.95, 'firstToken', FIRST_TOKEN),
  {
    title: 'tokens /s',
    cell: ({change}) => ({text: change ? amount((change.counts.output || 0) / change.seconds) : '–', number: true}),
    order: ({change}) => (change ? (change.counts.output || 0) / change.seconds : 0),
  },
  {
    title: 'since start',
    cell: ({model}) => ({text: count(model.counts.requests || 0), number: true}),
    order: ({model}) => model.counts.requests || 0,
  },
  {title: 'last 5 min', cell: () => ({text: ''})},
];

/** The column that sorts the models; -1 is by traffic, and stays steady. */
const sorting = {column: -1, descending: true};

/** @param {() => void} redraw */
function makeModelsHead(redraw) {
  const head = document.querySelector('#models thead tr');
  COLUMNS.forEach(({title, order}, index) => {
    const cell = make('th', index > 1 && order ? 'number' : '');
    cell.setAttribute('scope', 'col');
    if (order) {
      const button = make('button');
      button.setAttribute('type', 'button');
      button.textContent = title;
      button.addEventListener('click', () => {
        sortBy(index);
        redraw();
      });
      cell.append(button);
    } else {
      cell.textContent = title;
    }
    head?.append(cell);
  });
}

/**
 * Sorts by a column, the other way round at the second click, and by traffic again at the third.
 * @param {number} column
 */
function sortBy(column) {
  const isText = column < 2;
  if (sorting.column !== column) Object.assign(sorting, {column, descending: !isText});
  else if (sorting.descending !== isText) sorting.descending = !sorting.descending;
  else Object.assign(sorting, {column: -1, descending: true});
  document.querySelectorAll('#models thead th').forEach((cell, index) => {
    if (index === sorting.column) cell.setAttribute('aria-sort', sorting.descending ? 'descending' : 'ascending');
    else cell.removeAttribute('aria-sort');
  });
}

/**
 * @param {History} history
 * @param {number} now
 */
function showModels(history, now) {
  const rows = history.models();
  const order = COLUMNS[sorting.column]?.order;
  if (order) {
    rows.sort((one, other) => {
      const [first, second] = [order(one), order(other)];
      return (first < second ? -1 : first > second ? 1 : 0) * (sorting.descending ? -1 : 1);
    });
  }
  const body = /** @type {Element} */ (document.querySelector('#models tbody'));
  fillRows(body, rows.map((row) => {
    const cells = COLUMNS.map(({cell}) => cell(row));
    const steps = row.track.steps();
    cells[cells.length - 1].draw = (svg) => drawLine(svg, steps, now, ({counts, seconds}) => (counts.requests || 0) / seconds);
    return cells;
  }));
  const all = history.requested;
  write(element('models-note'), all > rows.length ? `${rows.length} with the most traffic, of ${count(all)}` : '');
}

// Breakers, label sets, gateway

/** @param {Snapshot} latest */
function showBreakers({breakers}) {
  const rank = (/** @type {Breaker} */ {state}) => ['open', 'half_open', 'closed'].indexOf(state);
  const shown = [...breakers].sort((one, other) => rank(one) - rank(other)).slice(0, SHOWN_BREAKERS);
  const styles = /** @type {Record<string, string>} */ ({open: 'error', half_open: 'throttled', closed: 'ok'});
  fillRows(element('breakers'), shown.map(({provider, model, state}) => [
    {text: visible(provider), head: true},
    {text: visible(model) || '(provider)'},
    {text: words(state), style: `shape ${styles[state] || ''}`},
  ]));
  const closed = breakers.filter(({state}) => state === 'closed').length;
  write(element('breakers-note'), breakers.length ? `${count(closed)} of ${count(breakers.length)} closed` : 'none');
}

/**
 * @param {Snapshot} latest
 * @param {Change | null} change
 */
function showSets({sets}, change) {
  const use = (/** @type {{sets: number, limit: number}} */ {sets: used, limit}) => (limit > 0 ? used / limit : 0);
  const limited = [...sets].filter(([, family]) => family.limit > 0);
  limited.sort(([, one], [, other]) => use(other) - use(one) || other.sets - one.sets);
  fillRows(element('sets'), limited.slice(0, SHOWN_FAMILIES).map(([name, family]) => [
    {text: visible(name).replace(/^aurora_/, ''), head: true},
    {text: count(family.sets), number: true},
    {
      text: percent(family.sets, family.limit), number: true,
      style: use(family) >= 1 ? 'level shape error' : use(family) >= WATCHED_USE ? 'level shape throttled' : '',
    },
  ]));
  const all = [...sets.values()].reduce((sum, family) => sum + family.sets, 0);
  const folded = change && change.counts.overflow > 0 ? `, ${count(change.counts.overflow)} counted as other in the last minute` : '';
  write(element('sets-note'), `${count(all)} in all${folded}`);
}

/**
 * @param {Snapshot} latest
 * @param {Change | null} change
 * @param {number} now
 */
function showGateway({all, gauges, facts}, change, now) {
  const since = (/** @type {number} */ start) => age(now / 1000 - start);
  const reloaded = gauges.reloaded === 0 ? 'refused, the former one stays' : `loaded ${since(gauges.reloadedAt)} ago`;
  const connections = ['active', 'idle'].map((state) => `${count(gauges[`connections ${state}`] || 0)} ${state}`);
  fillFacts(element('gateway'), [
    ['version', visible(`${facts.version} ${facts.revision}`)],
    ['configuration', reloaded, gauges.reloaded === 0 ? 'shape throttled' : 'shape ok'],
    ['connections', connections.join(', ')],
    ['processor', change ? `${amount((100 * change.counts.cpu) / change.seconds)} % of a core` : '–'],
    ['memory', bytes(gauges.memory)],
  ]);
  write(element('about'), `${visible(facts.version)} · up for ${since(all.start)}`);
}

/**
 * The line below each panel: what its family is, in the words of the exposition.
 * @param {Map<string, string>} help
 */
function showHelp(help) {
  for (const line of document.querySelectorAll('[data-help]')) {
    const family = /** @type {HTMLElement} */ (line).dataset.help || '';
    // OpenMetrics names the family of a counter without its ending.
    const text = help.get(family) || help.get(family.replace(/_total$/, ''));
    write(line, text ? visibleHelp(text) : 'Nothing observed yet.');
  }
}

/** @param {string} text */
function visibleHelp(text) {
  return text.replace(UNSEEN, ' ');
}
