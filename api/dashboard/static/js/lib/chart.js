/** Curves over an axis, in SVG, so that colours are those of the theme and text can be read out. */

import { fill, h, s } from "./dom.js";
import { decimal } from "./format.js";

const EDGE = { right: 12, top: 10, bottom: 24 };
const LEAST_LEFT = 44;
// Of a letter of the axes, about.
const LETTER = 6.2;

/**
 * @typedef {object} Series
 * @property {string} name
 * @property {Array<[number, number|null]>} points ascending in x; null breaks the line
 * @property {string} [style] class of the colour, such as "s1" or "is-running"
 * @property {boolean} [area] fill below the line
 * @property {boolean} [faint]
 * @property {boolean} [dots]
 */

/**
 * A chart that is drawn again by `update(series)`.
 * @param {object} options
 * @param {string} options.title for those who hear the page
 * @param {number} [options.height]
 * @param {boolean} [options.logX] @param {boolean} [options.logY]
 * @param {(value: number) => string} [options.x] @param {(value: number) => string} [options.y]
 * @param {number} [options.least] value that the y axis always reaches
 * @param {boolean} [options.wholeX] @param {boolean} [options.wholeY] only whole numbers on the axis
 * @param {boolean} [options.legend]
 */
export function chart(options) {
  const { title, height = 180, x = decimal, y = decimal, legend = true } = options;
  const svg = s("svg", { role: "img", height, "aria-label": title });
  const tip = h("div", { class: "tip", hidden: true });
  const names = h("div", { class: "legend" });
  const node = h("div", { class: "chart" }, svg, tip, legend ? names : null);
  let series = [];
  let scale = null;

  const draw = () => {
    const width = node.clientWidth;
    if (!width) return;
    scale = scales(series, width, height, { ...options, y });
    fill(svg, scale ? [axes(scale, width, height, x, y), series.map((one) => curve(one, scale, height))] : nothing(width, height));
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  };

  node.update = (given) => {
    series = given;
    const latest = series.map((one) => `${one.name} ${y(last(one.points))}`).join(", ");
    svg.setAttribute("aria-label", latest ? `${title}: ${latest}` : `${title}: nothing yet`);
    if (legend) fill(names, series.filter((one) => !one.faint).map(entry));
    draw();
  };

  svg.addEventListener("pointermove", (event) => {
    if (!scale) return;
    const at = event.clientX - svg.getBoundingClientRect().left;
    const near = series.filter((one) => !one.faint).map((one) => [one, nearest(one.points, at, scale.px)]).filter(([, point]) => point);
    if (!near.length) return;
    const where = scale.px(near[0][1][0]);
    svg.querySelector(".cursor")?.remove();
    svg.append(s("line", { class: "cursor", x1: where, x2: where, y1: EDGE.top, y2: height - EDGE.bottom }));
    fill(tip, h("div", { class: "muted" }, x(near[0][1][0])), near.map(([one, point]) => h("div", {}, entry(one), " ", y(point[1]))));
    tip.hidden = false;
    const room = node.clientWidth - tip.offsetWidth - 4;
    tip.style.left = `${Math.max(0, Math.min(room, where + 12))}px`;
    tip.style.top = `${EDGE.top}px`;
  });
  svg.addEventListener("pointerleave", () => {
    tip.hidden = true;
    svg.querySelector(".cursor")?.remove();
  });
  new ResizeObserver(draw).observe(node);
  return node;
}

function entry(one) {
  return h("span", { class: one.style }, h("i", { class: "swatch" }), one.name);
}

function last(points) {
  for (let at = points.length - 1; at >= 0; at -= 1) if (points[at][1] !== null) return points[at][1];
  return null;
}

function nearest(points, at, px) {
  let best = null;
  for (const point of points) {
    if (point[1] !== null && (!best || Math.abs(px(point[0]) - at) < Math.abs(px(best[0]) - at))) best = point;
  }
  return best;
}

function scales(series, width, height, { logX, logY, least, wholeX, wholeY, y }) {
  const points = series.flatMap((one) => one.points).filter(([a, b]) => b !== null && (!logX || a > 0) && (!logY || b > 0));
  if (!points.length) return null;
  const xs = range(points.map((point) => point[0]), logX);
  const ys = range([...points.map((point) => point[1]), ...(least === undefined ? [] : [least])], logY, wholeY ? 1 : 0);
  const xTicks = ticks(xs, Math.max(2, Math.floor(width / 110)), logX, wholeX);
  const yTicks = ticks(ys, Math.max(2, Math.floor(height / 45)), logY, wholeY);
  if (!logY) ys[1] = Math.max(ys[1], yTicks.at(-1) ?? ys[1]);
  const left = Math.max(LEAST_LEFT, ...yTicks.map((value) => 12 + LETTER * y(value).length));
  return {
    xTicks,
    yTicks,
    left,
    px: placed(xs, left, width - EDGE.right, logX),
    py: placed(ys, height - EDGE.bottom, EDGE.top, logY),
  };
}

function range(values, isLog, atLeast = 0) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (high - low < atLeast) high = low + atLeast;
  if (high > low) return [low, high];
  return isLog ? [low / 2, high * 2] : [low - (low === 0 ? 0 : Math.abs(low) / 2), high + (Math.abs(high) / 2 || 1)];
}

function placed([low, high], from, to, isLog) {
  const at = isLog ? Math.log : (value) => value;
  const width = at(high) - at(low);
  return (value) => from + ((at(value) - at(low)) / width) * (to - from);
}

function ticks([low, high], most, isLog, isWhole) {
  if (isLog) {
    const fine = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) fine.push(...[1, 2, 5].map((times) => Number((times * 10 ** power).toPrecision(12))));
    const inside = fine.filter((value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9));
    const powers = inside.filter((value) => Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9);
    const shown = powers.length >= 3 ? powers : inside;
    return shown.filter((_, at) => at % Math.ceil(shown.length / (most + 1)) === 0);
  }
  const rough = (high - low) / most;
  const base = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].map((times) => times * base).find((one) => one >= rough);
  if (isWhole) step = Math.max(1, Math.round(step));
  const found = [];
  for (let value = Math.ceil(low / step - 1e-9) * step; found.length < 20; value += step) {
    found.push(Number(value.toPrecision(12)));
    if (value >= high - step * 1e-9) break;
  }
  return found;
}

function axes({ xTicks, yTicks, left, px, py }, width, height, x, y) {
  const bottom = height - EDGE.bottom;
  return [
    yTicks.map((value) => [
      s("line", { class: "grid", x1: left, x2: width - EDGE.right, y1: py(value), y2: py(value) }),
      s("text", { x: left - 6, y: py(value) + 3.5, "text-anchor": "end" }, y(value)),
    ]),
    xTicks
      .filter((value) => px(value) <= width - EDGE.right + 1)
      .map((value) => s("text", { x: px(value), y: bottom + 16, "text-anchor": px(value) > width - 40 ? "end" : "middle" }, x(value))),
  ];
}

function curve({ points, style, area, faint, dots }, { px, py }, height) {
  const runs = unbroken(points, ([a, b]) => b !== null && Number.isFinite(px(a)) && Number.isFinite(py(b)));
  if (!runs.length) return null;
  const lines = runs.map((run) => run.map(([a, b], at) => `${at ? "L" : "M"}${px(a).toFixed(1)} ${py(b).toFixed(1)}`).join(""));
  const floor = height - EDGE.bottom;
  const below = runs.map((run, at) => (run.length > 1 ? `${lines[at]}L${px(run.at(-1)[0])} ${floor}L${px(run[0][0])} ${floor}Z` : ""));
  return s(
    "g",
    { class: [style, faint && "faint"] },
    area ? s("path", { class: "area", d: below.join("") }) : null,
    s("path", { class: "line", d: lines.join("") }),
    // A point between two that are not known would not be seen.
    runs.flatMap((run) => (dots || run.length === 1 ? run : [])).map(([a, b]) => s("circle", { class: "point", cx: px(a), cy: py(b), r: 3 })),
  );
}

/** Points in runs of those that are known. */
function unbroken(points, isKnown) {
  const runs = [];
  let open = null;
  for (const point of points) {
    if (!isKnown(point)) open = null;
    else if (open) open.push(point);
    else runs.push((open = [point]));
  }
  return runs;
}

function nothing(width, height) {
  return s("text", { x: width / 2, y: height / 2, "text-anchor": "middle" }, "nothing yet");
}
