// Charts: paths of SVG and one canvas, from steps in time. Text and colours are the style's.

const SVG = 'http://www.w3.org/2000/svg';

/**
 * @param {Element} parent
 * @param {string} name
 * @param {Record<string, string>} attributes
 */
function svgChild(parent, name, attributes) {
  const child = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) child.setAttribute(key, value);
  parent.append(child);
  return child;
}

/**
 * The child of a chart that has this class; made when it is drawn for the first time.
 * @param {SVGElement} svg
 * @param {string} kind
 */
function pathOf(svg, kind) {
  return svg.querySelector(`.${kind}`) || svgChild(svg, 'path', {class: kind, 'vector-effect': 'non-scaling-stroke'});
}

/**
 * Place of a time on a chart that ends now, from 0 to 1.
 * @param {number} at
 * @param {number} now
 */
function placeOf(at, now) {
  return Math.min(1, Math.max(0, 1 - (now - at) / CHARTED));
}

/**
 * @param {SVGElement} svg
 * @param {number} width
 * @param {number} height
 */
function stretch(svg, width, height) {
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.setAttribute('preserveAspectRatio', 'none');
}

/** @param {number} number */
function short(number) {
  return number.toFixed(1);
}

/**
 * A line over time with its area. A value that is null leaves a gap, and so does a missing step.
 * @param {SVGElement} svg
 * @param {Step[]} steps
 * @param {number} now
 * @param {(change: Change) => number | null} valueOf
 */
function drawLine(svg, steps, now, valueOf) {
  const [width, height] = [200, 32];
  stretch(svg, width, height);
  const points = steps.map(({from, to, change}) => ({from, to, value: valueOf(change)}));
  const top = Math.max(...points.map(({value}) => value || 0), Number.MIN_VALUE);
  let [line, area, begun, end] = ['', '', '', 0];
  const close = () => {
    if (begun) area += `${begun}L${short(end)},${height}Z`;
    begun = '';
  };
  for (const {from, to, value} of points) {
    const [x0, x1] = [placeOf(from, now) * width, placeOf(to, now) * width];
    if (value === null || x1 <= 0) {
      close();
      continue;
    }
    const y = short(height - 1 - (value / top) * (height - 3));
    if (!begun || x0 - end > 0.05) {
      close();
      line += `M${short(x0)},${y}`;
      begun = `M${short(x0)},${height}L${short(x0)},${y}`;
    }
    line += `L${short(x1)},${y}`;
    begun += `L${short(x1)},${y}`;
    end = x1;
  }
  close();
  pathOf(svg, 'area').setAttribute('d', area);
  pathOf(svg, 'line').setAttribute('d', line);
}

/**
 * Columns that add up, one for each step.
 * @param {SVGElement} svg
 * @param {Step[]} steps
 * @param {number} now
 * @param {string[]} names counts, from the lowest to the highest part of a column
 * @param {number[]} restarts times that get a vertical line
 * @returns {number} the value at the top of the chart
 */
function drawColumns(svg, steps, now, names, restarts) {
  const [width, height] = [600, 120];
  stretch(svg, width, height);
  const rate = (/** @type {Step} */ {change}, /** @type {string} */ name) => (change.counts[name] || 0) / change.seconds;
  const sums = steps.map((step) => names.reduce((sum, name) => sum + rate(step, name), 0));
  const top = roundUp(Math.max(...sums, 0));
  /** @type {Record<string, string>} */
  const paths = Object.fromEntries(names.map((name) => [name, '']));
  for (const step of steps) {
    const [x0, x1] = [placeOf(step.from, now) * width, placeOf(step.to, now) * width - 1];
    let y = height;
    for (const name of names) {
      const part = (rate(step, name) / top) * height;
      // A single error among thousands of responses is still seen.
      const shown = part > 0 ? Math.max(part, 2) : 0;
      if (shown && x1 > x0) paths[name] += `M${short(x0)},${short(y)}V${short(y - shown)}H${short(x1)}V${short(y)}Z`;
      y -= shown;
    }
  }
  for (const name of names) pathOf(svg, `fill-${name}`).setAttribute('d', paths[name]);
  const marks = restarts.map((at) => `M${short(placeOf(at, now) * width)},0V${height}`);
  pathOf(svg, 'mark').setAttribute('d', marks.join(''));
  return top;
}

/**
 * The next round number that is not smaller.
 * @param {number} value
 */
function roundUp(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 1.5, 2, 3, 4, 5, 6, 8].find((factor) => factor * power >= value) || 10);
}

/**
 * Observations of each bucket alone, in the order of the edges.
 * @param {number[]} counts of observations up to each edge
 * @param {number[]} places
 */
function perBucket(counts, places) {
  return places.map((place, row) => Math.max(0, (counts[place] || 0) - (row ? counts[places[row - 1]] || 0 : 0)));
}

/**
 * Rows of the heat strip: buckets with observations and their neighbours, at least six.
 * @param {number[][]} columns
 * @param {number} all number of buckets
 */
function usedRows(columns, all) {
  const used = columns.flatMap((column) => column.flatMap((count, row) => (count > 0 ? [row] : [])));
  let [first, last] = used.length ? [Math.min(...used) - 1, Math.max(...used) + 1] : [4, 10];
  while (last - first < 5) [first, last] = [first - 1, last + 1];
  return [Math.max(0, first), Math.min(all - 1, last)];
}

/**
 * Buckets over time: the more observations, the stronger the colour.
 * @param {HTMLCanvasElement} canvas
 * @param {Step[]} steps
 * @param {number} now
 * @returns {number[]} upper edges of the rows that are shown, from the highest
 */
function drawHeat(canvas, steps, now) {
  const places = DURATION.ordered();
  const columns = steps.map(({change}) => perBucket(change.duration, places));
  const [first, last] = usedRows(columns, places.length);
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth * scale, canvas.clientHeight * scale];
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext('2d');
  if (!context || !places.length) return [];
  const style = getComputedStyle(canvas);
  const rows = last - first + 1;
  const rates = columns.map((column, index) => column.map((count) => count / steps[index].change.seconds));
  const top = Math.max(...rates.flat(), Number.MIN_VALUE);
  const gap = Math.max(1, Math.round(scale));
  for (let row = first; row <= last; row += 1) {
    const [y0, y1] = [last - row, last - row + 1].map((place) => Math.round((place / rows) * height));
    context.globalAlpha = 1;
    context.fillStyle = style.getPropertyValue('--cell');
    context.fillRect(0, y0, width, y1 - y0 - gap);
    context.fillStyle = style.getPropertyValue('--heat');
    for (const [index, {from, to}] of steps.entries()) {
      if (!rates[index][row]) continue;
      const [x0, x1] = [from, to].map((at) => Math.round(placeOf(at, now) * width));
      context.globalAlpha = 0.18 + 0.82 * Math.sqrt(rates[index][row] / top);
      context.fillRect(x0, y0, Math.max(1, x1 - x0 - gap), y1 - y0 - gap);
    }
  }
  return places.slice(first, last + 1).map((place) => DURATION.values[place]).reverse();
}
