// The page: polls the metrics endpoint, asks for a key where it wants one, and says when it is out of reach.

/** Pauses between polls, in milliseconds: as a rule, until there are rates at all, and the longest after failures. */
const INTERVAL = 3000;
const FIRST_INTERVAL = 1000;
const LONGEST_INTERVAL = 15_000;
/** Size of an exposition that is read once a second, in bytes: a larger one is read less often, so that it costs neither side much. */
const SIZE_PER_SECOND = 1 << 20;
const LONGEST_USUAL_INTERVAL = 60_000;
/** Longest poll. */
const TIMEOUT = 30_000;

/** The endpoint is below the path of this page, also behind a proxy that has a prefix of its own. */
const ENDPOINT = location.origin + location.pathname.replace(/\/$/, '') + document.body.dataset.endpoint;

const state = {
  history: new History(),
  /** The key, in the memory of this tab and nowhere else. */
  key: '',
  isPaused: false,
  failures: 0,
  /** Time of the last good poll. */
  lastGood: 0,
  /** @type {number | undefined} */
  timer: undefined,
  /** @type {AbortController | null} */
  polling: null,
};

/** A poll that failed, with its sentence for the reader. */
class Failure extends Error {
  /**
   * @param {string} message
   * @param {number} [pause] shortest time until the next poll, in milliseconds
   */
  constructor(message, pause = 0) {
    super(message);
    this.pause = pause;
  }
}

/** The endpoint wants a key. */
class Locked extends Error {}

/**
 * The message of an error of the gateway; nothing where it is no such error.
 * @param {Response} response
 */
async function messageOf(response) {
  try {
    const envelope = JSON.parse((await response.text()).slice(0, 10_000));
    return visibleHelp(String(envelope.error.message)).slice(0, 400);
  } catch {
    return '';
  }
}

/**
 * @param {Response} response
 * @returns {Promise<never>}
 */
async function refuse(response) {
  const message = await messageOf(response);
  if (response.status === 401) throw new Locked(message);
  if (response.status === 403 && state.key) throw new Locked(message || 'This key does not open the metrics.');
  const pause = 1000 * Math.min(60, Number(response.headers.get('retry-after')) || 0);
  throw new Failure(`The metrics endpoint returned ${response.status}${message ? `: ${message}` : '.'}`, pause);
}

/** @param {AbortSignal} signal */
async function fetchSnapshot(signal) {
  /** @type {Record<string, string>} */
  const headers = {accept: 'text/plain;version=0.0.4'};
  if (state.key) headers.authorization = `Bearer ${state.key}`;
  const response = await fetch(ENDPOINT, {
    headers, signal, mode: 'same-origin', credentials: 'same-origin', redirect: 'manual', cache: 'no-store',
  });
  if (response.type === 'opaqueredirect') throw new Failure('The metrics endpoint redirects elsewhere.');
  if (!response.ok) await refuse(response);
  const type = response.headers.get('content-type') || '';
  if (!/^(text\/plain|application\/openmetrics-text)\b/i.test(type)) {
    throw new InvalidExposition('is not an exposition of Aurora');
  }
  return readSnapshot(response, Date.now());
}

/** @param {unknown} error */
function sentenceOf(error) {
  if (error instanceof Failure) return error.message;
  if (error instanceof InvalidExposition) return `The response of the metrics endpoint ${error.message}.`;
  return 'Connection lost.';
}

/** @param {number} pause */
function pollIn(pause) {
  clearTimeout(state.timer);
  if (!state.isPaused && !document.hidden) state.timer = setTimeout(poll, pause);
}

async function poll() {
  if (state.polling) return;
  const polling = new AbortController();
  const timeout = setTimeout(() => polling.abort(), TIMEOUT);
  state.polling = polling;
  try {
    const read = await fetchSnapshot(polling.signal);
    if (state.polling === polling) succeed(read);
  } catch (error) {
    if (state.polling === polling) fail(error);
  } finally {
    clearTimeout(timeout);
    if (state.polling === polling) state.polling = null;
  }
}

/** Forgets a poll that is under way. */
function abandon() {
  const polling = state.polling;
  state.polling = null;
  polling?.abort();
}

/**
 * @param {{snapshot: Snapshot, reading: Reading}} read
 */
function succeed({snapshot, reading}) {
  state.failures = 0;
  state.lastGood = snapshot.all.at;
  state.history.add(snapshot);
  element('login').hidden = true;
  element('forget').hidden = !state.key;
  const usual = Math.min(LONGEST_USUAL_INTERVAL, Math.max(INTERVAL, 1000 * Math.round(reading.bytes / SIZE_PER_SECOND)));
  write(element('source'), `${count(reading.samples)} series of ${document.body.dataset.endpoint}, read every ${usual / 1000} s.`);
  notice(standing(reading));
  show();
  showHelp(reading.help);
  pollIn(state.history.all.lastMinute() ? usual : FIRST_INTERVAL);
}

/**
 * Remarks about the source of figures that are good otherwise.
 * @param {Reading} reading
 */
function standing(reading) {
  const {restarts, hasReplicas} = state.history;
  if (hasReplicas) return 'Several replicas respond at this address, each with its own figures: open one of them directly.';
  if (reading.unreadable) return `${count(reading.unreadable)} lines of the exposition could not be read.`;
  return restarts.length ? `The gateway restarted at ${clock(restarts[restarts.length - 1])}; its figures began again.` : '';
}

/** @param {unknown} error */
function fail(error) {
  if (error instanceof Locked) {
    askForKey(error.message);
    return;
  }
  state.failures += 1;
  const last = state.lastGood ? `, last figures from ${clock(state.lastGood)}` : '';
  const sentence = sentenceOf(error).replace(/\.$/, '');
  notice(`${sentence}${last}. Trying again.`);
  connection('lost', state.lastGood ? `Lost ${clock(state.lastGood)}` : 'No figures yet');
  element('figures').classList.add('old');
  if (state.lastGood) lostHealth();
  const pause = Math.min(LONGEST_INTERVAL, FIRST_INTERVAL * 2 ** Math.min(state.failures, 10));
  pollIn(Math.max(pause, error instanceof Failure ? error.pause : 0));
}

function lostHealth() {
  element('health').dataset.health = 'waiting';
  write(element('health-word'), 'Unknown');
  write(element('health-live'), '');
  document.title = 'Connection lost · Aurora';
}

/** @param {string} text */
function notice(text) {
  write(element('notice'), text);
  element('notice').hidden = !text;
}

/**
 * @param {'waiting' | 'live' | 'lost' | 'paused'} kind
 * @param {string} text
 */
function connection(kind, text) {
  element('connection').dataset.state = kind;
  write(element('connection'), text);
}

/** Shows a new reading. */
function show() {
  element('figures').hidden = false;
  element('figures').classList.remove('old');
  element('pause').hidden = false;
  connection(state.isPaused ? 'paused' : 'live', `${state.isPaused ? 'Paused' : 'Live'} ${clock(state.lastGood)}`);
  showHealth(state.history);
  draw();
}

/** Draws the figures for another size or order. Those of a lost connection stay marked as old, those of no key hidden. */
function draw() {
  const {history, lastGood} = state;
  if (!history.latest || element('figures').hidden) return;
  const steps = history.all.steps();
  const change = history.all.lastMinute();
  showTiles(history, steps, lastGood);
  showOutcomes(history, steps, lastGood);
  showHeat(history, steps, lastGood);
  showModels(history, lastGood);
  showBreakers(history.latest);
  showSets(history.latest, change);
  showGateway(history.latest, change, lastGood);
}

// Key

/** @param {string} message of the gateway */
function askForKey(message) {
  const wasRefused = state.key !== '';
  state.key = '';
  abandon();
  clearTimeout(state.timer);
  connection('waiting', 'Key required');
  notice('');
  for (const id of ['figures', 'pause', 'forget']) element(id).hidden = true;
  element('login').hidden = false;
  write(element('login-error'), wasRefused ? `This key was refused. ${message}` : '');
  element('key').value = '';
  element('key').setAttribute('aria-invalid', String(wasRefused));
  element('key').focus();
}

/** @param {Event} event */
function takeKey(event) {
  event.preventDefault();
  const key = element('key').value.trim();
  if (!/^[\x21-\x7e]+$/.test(key)) {
    write(element('login-error'), 'A key has only visible ASCII characters.');
    return;
  }
  state.key = key;
  element('key').value = '';
  write(element('login-error'), '');
  connection('waiting', 'Connecting');
  poll().then(() => {
    if (state.key) element('main').focus();
  });
}

function forgetKey() {
  state.key = '';
  state.history = new History();
  abandon();
  askForKey('');
}

// Start

function togglePause() {
  state.isPaused = !state.isPaused;
  write(element('pause'), state.isPaused ? 'Resume' : 'Pause');
  if (state.isPaused) {
    clearTimeout(state.timer);
    connection('paused', `Paused ${clock(state.lastGood)}`);
  } else {
    pollIn(0);
  }
}

/** Polls at once, unless a key is asked for. */
function resume() {
  if (element('login').hidden) pollIn(0);
}

element('login').addEventListener('submit', takeKey);
element('pause').addEventListener('click', togglePause);
element('forget').addEventListener('click', forgetKey);
document.addEventListener('visibilitychange', () => (document.hidden ? clearTimeout(state.timer) : resume()));
window.addEventListener('online', resume);
window.addEventListener('resize', draw);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
makeModelsHead(draw);
poll();
