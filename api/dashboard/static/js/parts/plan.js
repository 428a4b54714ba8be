/** A plan: what each algorithm would cost, which was chosen, and what it took. */

import { h } from "../lib/dom.js";
import { bytes, count, duration, shape } from "../lib/format.js";

// The one that all others are tested against; it would dwarf every bar.
const ORACLE = "reference";
// Of many sorts of inputs the plans of the first are open.
const OPEN = 1;

/** Everything that a plan tells. */
export function planOf(plan) {
  return h(
    "div",
    { class: "stack" },
    plan.device ? h("p", { class: "muted" }, `For ${plan.device.name}${plan.device.worker ? ` of ${plan.device.worker}` : ""}: ${duration(plan.seconds)}, ${bytes(plan.bytes)} in all.`) : null,
    (plan.groups ?? []).map((one, at) => (at < OPEN ? group(one) : folded(one))),
    plan.layers ? layers(plan) : null,
  );
}

function folded(one) {
  return h("details", {}, h("summary", {}, h("strong", {}, `${count(one.inputs)} × ${one.input}`), one.chosen ? ` · ${one.chosen}, ${duration(one.seconds)}` : ""), group(one));
}

function group(one) {
  const title = `${count(one.inputs)} × ${one.input}`;
  if (one.error) return h("div", { class: ["note", "is-failed"] }, h("strong", {}, title), h("div", {}, one.error.message));
  if (!one.candidates) return simple(one, title);
  const known = one.candidates.some((candidate) => candidate.measured !== null && candidate.measured !== undefined);
  const slowest = Math.max(0, ...one.candidates.filter(({ algorithm }) => algorithm !== ORACLE).map((candidate) => candidate.seconds ?? 0));
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "group", "aria-label": `plan for ${title}` },
    h(
      "table",
      {},
      h("caption", {}, h("strong", {}, title), one.why ? ` · ${one.chosen}: ${one.why}` : ""),
      h("thead", {}, h("tr", {}, ["Algorithm", "Predicted", known ? "Measured before" : null, "Took", "Memory", ""].filter((text) => text !== null).map((text, at) => h("th", { scope: "col", class: at && text ? "number" : null }, text || h("span", { class: "hidden-text" }, "why not"))))),
      h("tbody", {}, one.candidates.map((candidate) => row(candidate, one, known, slowest))),
    ),
  );
}

/** Of kinds that have no choice between algorithms, or have made it. */
function simple(one, title) {
  const cost = [one.seconds, one.bytes].some((value) => value !== undefined && value !== null) ? ` · ${duration(one.seconds)}, ${bytes(one.bytes)}` : "";
  return h("div", { class: "foot-note" }, h("strong", {}, title), one.chosen ? ` · ${one.chosen}` : "", cost, one.why ? h("div", { class: ["small", "muted"] }, one.why) : null);
}

function row(candidate, one, known, slowest) {
  const isChosen = candidate.algorithm === one.chosen;
  const share = candidate.seconds && slowest ? candidate.seconds / slowest : 0;
  const bar = h("progress", { max: 1, value: share, class: "cost", "aria-hidden": "true" });
  return h(
    "tr",
    { class: isChosen ? "chosen" : null },
    h("th", { scope: "row" }, candidate.algorithm, isChosen ? h("span", { class: ["small", "good"] }, " chosen") : null),
    h("td", { class: "number" }, duration(candidate.seconds), candidate.refused || candidate.algorithm === ORACLE ? null : bar),
    known ? h("td", { class: "number" }, duration(candidate.measured)) : null,
    h("td", { class: "number" }, isChosen ? h("strong", {}, duration(one.measured_seconds)) : duration(null)),
    h("td", { class: "number" }, bytes(candidate.bytes)),
    h("td", { class: ["small", "muted", "why"] }, candidate.refused ?? ""),
  );
}

function layers(plan) {
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "group", "aria-label": "layers" },
    h(
      "table",
      {},
      h("caption", {}, `${count(plan.parameters)} parameters, ${count(plan.multiply_adds)} multiply-adds an image, ${duration(plan.seconds_per_epoch)} an epoch by prediction`),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Layer"), h("th", { scope: "col" }, "Shape"), h("th", { scope: "col", class: "number" }, "Parameters"), h("th", { scope: "col", class: "number" }, "Multiply-adds"))),
      h("tbody", {}, plan.layers.map((layer) => h("tr", {}, h("th", { scope: "row" }, layer.name), h("td", { class: "nowrap" }, shape(layer.shape)), h("td", { class: "number" }, count(layer.parameters)), h("td", { class: "number" }, count(layer.multiply_adds))))),
    ),
  );
}
