/** Two pictures to be compared: one of them, both, or one over the other with a slider. */

import { COLOUR_MAPS } from "../lib/colour.js";
import { fill, h, say } from "../lib/dom.js";
import { decimal, shape } from "../lib/format.js";
import { choice, trouble } from "./small.js";
import { hasValues, isAlike, load } from "./source.js";

const FIT = 1;
const MOST = 64;
const STEP = 1.5;

/**
 * Show a result beside what it was made from.
 * @param {object} options
 * @param {?import("./source.js").Source} options.before
 * @param {?import("./source.js").Source} options.after
 * @param {AbortSignal} options.signal
 */
export function viewer({ before, after, signal }) {
  const state = { mode: !(before && after) ? "one" : isAlike(before, after) ? "slider" : "after", zoom: FIT, x: 0, y: 0, split: 0.5, map: "viridis", plane: 0 };
  const stage = h("div", { class: "stage" });
  const under = h("span", { class: ["small", "muted", "mono"], role: "status" });
  const sides = [before, after].filter(Boolean).map((source) => ({ source, image: null, canvas: null }));
  const withValues = sides.some(({ source }) => hasValues(source));

  const split = h("input", { type: "range", min: 0, max: 1, step: 0.005, value: state.split, "aria-label": "where the input ends and the result begins", oninput: () => place({ split: Number(split.value) }) });
  const maps = h("select", { "aria-label": "colour map", onchange: () => paint({ map: maps.value }) }, COLOUR_MAPS.map((name) => h("option", { value: name }, name)));
  maps.value = state.map;
  const planes = h("select", { "aria-label": "which map", onchange: () => paint({ plane: Number(planes.value) }), hidden: true });
  const zoomed = h("span", { class: ["small", "muted"] });
  const modes = before && after ? choice("how to compare", [["slider", "Slider"], ["both", "Side by side"], ["before", "Input"], ["after", "Result"]], state.mode, (mode) => lay({ mode })) : null;
  const bar = h(
    "div",
    { class: ["row", "viewer-bar"] },
    modes,
    h("div", { class: "group", role: "group", "aria-label": "zoom" }, h("button", { type: "button", "aria-label": "zoom out", onclick: () => zoom(1 / STEP) }, "−"), h("button", { type: "button", onclick: () => place({ zoom: FIT, x: 0, y: 0 }) }, "Fit"), h("button", { type: "button", "aria-label": "zoom in", onclick: () => zoom(STEP) }, "+")),
    zoomed,
    withValues ? maps : null,
    planes,
  );

  function lay(change) {
    Object.assign(state, change);
    const [first, second] = sides;
    const shown = { slider: [[first, second]], both: [[first], [second]], before: [[first]], after: [[second]], one: [[first]] }[state.mode];
    fill(stage, shown.map(pane));
    split.hidden = state.mode !== "slider";
    place({});
  }

  function pane(layers) {
    const node = h("div", { class: "pane", tabindex: 0, role: "group", "aria-label": `${layers.map(({ source }) => source.name).join(" and ")}: plus and minus zoom, arrows move`, onkeydown: pressed, onpointerdown: dragged, onpointermove: pointed, onwheel: wheeled }, layers.map(({ canvas }) => canvas));
    if (state.mode === "both") node.append(h("span", { class: ["tag", "small"] }, layers[0] === sides[0] ? "input" : "result"));
    if (state.mode === "slider") node.append(h("span", { class: "handle" }));
    return node;
  }

  function place(change) {
    Object.assign(state, change);
    for (const node of stage.children) {
      const layers = [...node.querySelectorAll("canvas")];
      for (const [at, canvas] of layers.entries()) {
        const fit = Math.min(node.clientWidth / canvas.width, node.clientHeight / canvas.height);
        const scale = fit * state.zoom;
        const left = (node.clientWidth - canvas.width * scale) / 2 + state.x * node.clientWidth * state.zoom;
        const top = (node.clientHeight - canvas.height * scale) / 2 + state.y * node.clientHeight * state.zoom;
        canvas.style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
        canvas.style.imageRendering = scale >= 2 ? "pixelated" : "auto";
        const cut = state.mode === "slider" && at === 1 ? (state.split * node.clientWidth - left) / scale : 0;
        canvas.style.clipPath = cut > 0 ? `inset(0 0 0 ${cut}px)` : "none";
      }
      const handle = node.querySelector(".handle");
      if (handle) handle.style.left = `${100 * state.split}%`;
    }
    say(zoomed, `${Math.round(100 * state.zoom)} %`);
  }

  function paint(change) {
    Object.assign(state, change);
    for (const side of sides) {
      const old = side.canvas;
      side.canvas = side.image.draw(Math.min(state.plane, side.image.planes - 1), state.map);
      side.canvas.setAttribute("role", "img");
      side.canvas.setAttribute("aria-label", side.source.name);
      old?.replaceWith(side.canvas);
    }
    place({});
  }

  function zoom(times) {
    place({ zoom: Math.max(0.5, Math.min(MOST, state.zoom * times)) });
  }

  function pressed(event) {
    const by = 0.08 / state.zoom;
    const moves = { ArrowLeft: [by, 0], ArrowRight: [-by, 0], ArrowUp: [0, by], ArrowDown: [0, -by] };
    if (event.key in moves) place({ x: state.x + moves[event.key][0], y: state.y + moves[event.key][1] });
    else if (event.key === "+" || event.key === "=") zoom(STEP);
    else if (event.key === "-") zoom(1 / STEP);
    else if (event.key === "0") place({ zoom: FIT, x: 0, y: 0 });
    else return;
    event.preventDefault();
  }

  function dragged(event) {
    const node = event.currentTarget;
    node.setPointerCapture(event.pointerId);
    const from = { px: event.clientX, py: event.clientY, x: state.x, y: state.y };
    const slides = event.target.classList.contains("handle");
    const move = (now) => {
      if (slides) {
        const box = node.getBoundingClientRect();
        split.value = (now.clientX - box.left) / box.width;
        place({ split: Number(split.value) });
      } else {
        place({ x: from.x + (now.clientX - from.px) / node.clientWidth / state.zoom, y: from.y + (now.clientY - from.py) / node.clientHeight / state.zoom });
      }
    };
    node.addEventListener("pointermove", move);
    node.addEventListener("pointerup", () => node.removeEventListener("pointermove", move), { once: true });
    node.addEventListener("pointercancel", () => node.removeEventListener("pointermove", move), { once: true });
  }

  // Without a modifier the wheel scrolls the page, as everywhere.
  function wheeled(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(event.deltaY < 0 ? STEP : 1 / STEP);
  }

  function pointed(event) {
    const side = sides.find(({ canvas, image }) => image?.at && event.currentTarget.contains(canvas));
    if (!side) return;
    const box = side.canvas.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * side.image.width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * side.image.height);
    if (x < 0 || y < 0 || x >= side.image.width || y >= side.image.height) return;
    say(under, `[${y}, ${x}] = ${decimal(side.image.at(Math.min(state.plane, side.image.planes - 1), x, y), 6)}`);
  }

  const node = h("div", { class: "viewer" }, bar, stage, split, h("div", { class: ["row", "small", "muted"] }, sides.map(({ source }) => h("span", {}, source.shape ? `${source.name}: ${shape(source.shape)} ${source.dtype ?? ""}` : source.name)), under));
  start();
  return node;

  async function start() {
    try {
      await Promise.all(sides.map(async (side) => (side.image = await load(side.source, signal))));
    } catch (error) {
      if (error.name !== "AbortError") fill(stage, trouble(error));
      return;
    }
    const most = Math.max(...sides.map(({ image }) => image.planes));
    if (most > 1) {
      fill(planes, Array.from({ length: Math.min(most, 512) }, (_, at) => h("option", { value: at }, `map ${at + 1} of ${most}`)));
      planes.hidden = false;
    }
    const limits = sides.at(-1).image.limits;
    if (limits) say(under, `${decimal(limits[0])} to ${decimal(limits[1])}`);
    paint({});
    lay({});
    new ResizeObserver(() => place({})).observe(stage);
  }
}
