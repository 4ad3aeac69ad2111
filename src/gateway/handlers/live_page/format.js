// Values as text, and text of the exposition as text of the page, never as markup.

/** Longest label that is shown. */
const LONGEST_LABEL = 128;
/** Control and format characters, which could hide or reorder what is shown. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

/**
 * @param {string} id
 * @returns {any}
 */
function element(id) {
  return document.getElementById(id);
}

/**
 * Text of the exposition as it is shown: what cannot be seen is named.
 * @param {string | undefined} text
 */
function visible(text) {
  const cut = (text || '').slice(0, LONGEST_LABEL + 1);
  const whole = cut.length > LONGEST_LABEL ? `${cut.slice(0, LONGEST_LABEL)}…` : cut;
  return whole.replace(UNSEEN, (found) => `U+${(found.codePointAt(0) || 0).toString(16).toUpperCase().padStart(4, '0')}`);
}

/**
 * Sets a text; one that stays the same is not touched, so that a selection and a screen reader's place last.
 * @param {Element} where
 * @param {string} text
 */
function write(where, text) {
  if (where.textContent !== text) where.textContent = text;
}

/**
 * @param {string} name
 * @param {string} [className]
 */
function make(name, className) {
  const made = document.createElement(name);
  if (className) made.className = className;
  return made;
}

/**
 * @param {number | null | undefined} value
 * @returns {string}
 */
function amount(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  for (const [size, suffix] of /** @type {[number, string][]} */ ([[1e9, 'G'], [1e6, 'M'], [1e4, 'k']])) {
    if (value >= size) return `${digits(value / (suffix === 'k' ? 1e3 : size))} ${suffix}`;
  }
  return digits(value);
}

/** @param {number} value */
function digits(value) {
  if (value >= 100 || value === 0) return Math.round(value).toLocaleString('en');
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** @param {number} value whole */
function count(value) {
  return value < 1e6 ? Math.round(value).toLocaleString('en') : amount(value);
}

/**
 * @param {number} part
 * @param {number} whole
 */
function percent(part, whole) {
  if (!(whole > 0)) return '–';
  const share = (100 * part) / whole;
  if (share > 0 && share < 0.01) return '< 0.01 %';
  if (share > 99 && share < 100) return `${Math.min(99.9, share).toFixed(1)} %`;
  return `${share === 0 || share >= 10 ? Math.round(share) : share.toFixed(share < 1 ? 2 : 1)} %`;
}

/** @param {number} seconds */
function time(seconds) {
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  return seconds < 9.95 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds)} s`;
}

/**
 * @param {number} share
 * @param {number[]} counts
 * @param {Edges} edges
 */
function quantileText(share, counts, edges) {
  const found = quantile(share, counts, edges);
  if (!found) return '–';
  return `${found.beyond ? '> ' : ''}${time(found.value)}`;
}

/** @param {number} seconds */
function age(seconds) {
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3600)];
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  if (minutes < 60) return `${minutes} min`;
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** @param {number} at milliseconds */
function clock(at) {
  return new Date(at).toLocaleTimeString('en-GB');
}

/** @param {number} value */
function bytes(value) {
  return value >= 2 ** 30 ? `${(value / 2 ** 30).toFixed(1)} GiB` : `${Math.round(value / 2 ** 20)} MiB`;
}

/**
 * The child at a place, made where there is none.
 * @param {Element} parent
 * @param {number} place
 * @param {string} name
 */
function childAt(parent, place, name) {
  return parent.children[place] || parent.appendChild(make(name));
}

/**
 * Removes the children behind the first ones.
 * @param {Element} parent
 * @param {number} kept
 */
function trim(parent, kept) {
  while (parent.children.length > kept) parent.lastElementChild?.remove();
}

/**
 * @param {Element} list
 * @param {string[]} texts
 */
function fillList(list, texts) {
  trim(list, texts.length);
  texts.forEach((text, place) => write(childAt(list, place, 'li'), text));
}

// Tables

/**
 * @typedef {{text: string, number?: boolean, style?: string, head?: boolean, draw?: (svg: SVGElement) => void}} Cell
 */

/**
 * Fills a table's body; rows and cells that are there are used again.
 * @param {Element} body
 * @param {Cell[][]} rows
 */
function fillRows(body, rows) {
  trim(body, rows.length);
  rows.forEach((cells, index) => {
    const row = childAt(body, index, 'tr');
    cells.forEach((cell, place) => fillCell(row, place, cell));
  });
}

/**
 * @param {Element} row
 * @param {number} place
 * @param {Cell} cell
 */
function fillCell(row, place, cell) {
  const where = /** @type {HTMLElement} */ (childAt(row, place, cell.head ? 'th' : 'td'));
  if (cell.head) where.setAttribute('scope', 'row');
  where.className = cell.number ? 'number' : '';
  if (cell.draw) {
    cell.draw(/** @type {any} */ (where.querySelector('svg')) || svgChild(where, 'svg', {class: 'spark', 'aria-hidden': 'true'}));
    return;
  }
  const text = childAt(where, 0, 'bdi');
  text.className = cell.style || '';
  write(text, cell.text);
  // What the style cuts can still be read.
  where.title = cell.number ? '' : cell.text;
}

/**
 * @param {Element} list
 * @param {[string, string, string?][]} facts name, value, style
 */
function fillFacts(list, facts) {
  trim(list, facts.length);
  facts.forEach(([name, value, style], index) => {
    const fact = childAt(list, index, 'div');
    write(childAt(fact, 0, 'dt'), name);
    write(childAt(fact, 1, 'dd'), value);
    fact.children[1].className = style || '';
  });
}
