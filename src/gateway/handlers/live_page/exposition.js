// @ts-check
// Reads an exposition, as text of Prometheus or as OpenMetrics, line by line as it arrives. What no panel needs is skipped.

/**
 * @typedef {{name: string, labels: Record<string, string>, value: number}} Sample
 * @typedef {{help: Map<string, string>, samples: number, unreadable: number, bytes: number}} Reading
 */

/** Longest line and longest exposition that are read, in characters. */
const LONGEST_LINE = 1 << 20;
const LONGEST_EXPOSITION = 1 << 28;
/** Longest time without a pause for the browser, in milliseconds. */
const SLICE = 12;

const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const ESCAPES = /\\(.)/g;

/** The exposition is not one, or is too large. */
class InvalidExposition extends Error {}

/** @param {string} text */
function unescaped(text) {
  return text.includes('\\') ? text.replace(ESCAPES, (_, letter) => (letter === 'n' ? '\n' : letter)) : text;
}

/**
 * The name at a place of a line.
 * @param {string} line
 * @param {number} at
 */
function nameAt(line, at) {
  NAME.lastIndex = at;
  const found = NAME.exec(line);
  return found ? found[0] : '';
}

/**
 * The end of a quoted value, which is the place of its closing quote; -1 where there is none.
 * @param {string} line
 * @param {number} from
 */
function closingQuote(line, from) {
  for (let at = from; at < line.length; at += 1) {
    if (line[at] === '\\') at += 1;
    else if (line[at] === '"') return at;
  }
  return -1;
}

/**
 * The labels of a line and the place behind them; null where they cannot be read.
 * @param {string} line
 * @param {number} from place behind the opening brace
 * @returns {{labels: Record<string, string>, end: number} | null}
 */
function labelsAt(line, from) {
  const labels = Object.create(null);
  let at = from;
  while (line[at] !== '}') {
    const name = nameAt(line, at);
    at += name.length;
    if (!name || line[at] !== '=' || line[at + 1] !== '"') return null;
    const end = closingQuote(line, at + 2);
    if (end < 0) return null;
    labels[name] = unescaped(line.slice(at + 2, end));
    at = end + 1;
    if (line[at] === ',') at += 1;
  }
  return {labels, end: at + 1};
}

/** @param {string} text */
function numberOf(text) {
  if (text === '+Inf' || text === 'Inf') return Infinity;
  return text === '' || text === 'NaN' ? NaN : Number(text);
}

/**
 * Reads a sample if it is wanted. A timestamp or an exemplar behind the value is ignored.
 * @param {string} line
 * @param {Map<string, (sample: Sample) => void>} wanted
 * @param {Reading} reading
 */
function readSample(line, wanted, reading) {
  const name = nameAt(line, 0);
  reading.samples += name ? 1 : 0;
  const use = wanted.get(name);
  if (!use) {
    reading.unreadable += name ? 0 : 1;
    return;
  }
  const labelled = line[name.length] === '{' ? labelsAt(line, name.length + 1) : {labels: {}, end: name.length};
  const value = labelled ? numberOf(line.slice(labelled.end).trim().split(' ', 1)[0]) : NaN;
  // A value that is not a number adds nothing, and would spoil every sum that it is part of.
  if (!labelled || Number.isNaN(value)) reading.unreadable += 1;
  else use({name, labels: labelled.labels, value});
}

/**
 * @param {string} line
 * @param {Reading} reading
 */
function readHelp(line, reading) {
  const name = nameAt(line, 7);
  if (reading.help.size < 1000) reading.help.set(name, unescaped(line.slice(8 + name.length)).slice(0, 400));
}

/**
 * @param {string} line
 * @param {Map<string, (sample: Sample) => void>} wanted
 * @param {Reading} reading
 */
function readLine(line, wanted, reading) {
  if (line.startsWith('#')) {
    if (line.startsWith('# HELP ')) readHelp(line, reading);
  } else if (line.trim() !== '') {
    readSample(line, wanted, reading);
  }
}

/** Lets the browser draw and take input. */
function breathe() {
  return new Promise((resolve) => setTimeout(resolve));
}

/**
 * Reads a response to its end.
 * @param {Response} response
 * @param {Map<string, (sample: Sample) => void>} wanted what to do with the samples of a name
 * @returns {Promise<Reading>}
 */
async function readExposition(response, wanted) {
  /** @type {Reading} */
  const reading = {help: new Map(), samples: 0, unreadable: 0, bytes: 0};
  if (!response.body) throw new InvalidExposition('is empty');
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  let slice = performance.now();
  for (let done = false; !done; ) {
    const part = await reader.read();
    done = part.done;
    rest += done ? `${decoder.decode()}\n` : decoder.decode(part.value, {stream: true});
    reading.bytes += part.value ? part.value.length : 0;
    const lines = rest.split('\n');
    rest = lines.pop() || '';
    for (const line of lines) {
      readLine(line, wanted, reading);
      if (performance.now() - slice > SLICE) {
        await breathe();
        slice = performance.now();
      }
    }
    if (rest.length > LONGEST_LINE || reading.bytes > LONGEST_EXPOSITION) {
      await reader.cancel();
      throw new InvalidExposition('is too large');
    }
  }
  return reading;
}
