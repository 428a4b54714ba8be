/** The filters of the first layer, and what they make of an image, epoch by epoch. */

import { paint } from "../lib/colour.js";
import { fill, h, say } from "../lib/dom.js";
import { featureMap, tile, unpack } from "../lib/filters.js";
import { choice } from "./small.js";

const MOST_SNAPSHOTS = 400;

/** Keeps a snapshot for each epoch, of which the latest is shown unless another one is chosen. */
export function learned() {
  const snapshots = [];
  let chosen = null;
  let image = null;
  let what = "filters";
  const tiles = h("div", { class: "tiles-of-net" });
  const named = h("span", { class: ["small", "muted"], role: "status" });
  const slider = h("input", { type: "range", min: 0, max: 0, step: 1, "aria-label": "epoch", oninput: () => {
    const at = Number(slider.value);
    chosen = at === snapshots.length - 1 ? null : at;
    draw();
  } });
  const maps = choice("what to see", [["filters", "Filters"], ["maps", "Feature maps"]], what, (value) => {
    what = value;
    draw();
  });
  maps.hidden = true;
  const node = h("div", { class: "stack" }, h("div", { class: "row" }, maps, slider, named), tiles);

  function draw() {
    const snapshot = snapshots[chosen ?? snapshots.length - 1];
    if (!snapshot) return;
    const { kernels, epoch } = snapshot;
    const [filters, , height, width] = kernels.shape;
    const drawn = Array.from({ length: filters }, (_, filter) => {
      if (what === "filters") return labelled(paint(tile(kernels, filter), width, height, "diverging"), `filter ${filter + 1}`);
      const map = featureMap(kernels, filter, image.planes, image.width, image.height);
      return labelled(paint(map.values, map.width, map.height, "viridis"), `feature map ${filter + 1}`);
    });
    fill(tiles, drawn);
    say(named, `after epoch ${epoch}`);
  }

  node.add = (epoch, told) => {
    if (snapshots.some((one) => one.epoch === epoch)) return;
    snapshots.push({ epoch, kernels: unpack(told) });
    // Every other one goes, so that the first and the last stay and the steps stay even.
    if (snapshots.length > MOST_SNAPSHOTS) snapshots.splice(0, snapshots.length, ...snapshots.filter((_, at) => at % 2 === 0 || at === snapshots.length - 1));
    slider.max = snapshots.length - 1;
    if (chosen === null) slider.value = snapshots.length - 1;
  };
  node.draw = draw;
  node.look = (planes, width, height) => {
    if (snapshots.length && planes.length !== snapshots[0].kernels.shape[1]) return;
    image = { planes, width, height };
    maps.hidden = false;
  };
  node.isEmpty = () => snapshots.length === 0;
  return node;
}

function labelled(canvas, text) {
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", text);
  canvas.title = text;
  return canvas;
}
