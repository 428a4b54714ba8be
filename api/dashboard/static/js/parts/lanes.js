/** Workers as lanes: what each has been doing in the last minutes, and what it does now. */

import { fill, h, keyed, say } from "../lib/dom.js";
import { Ring } from "../lib/every.js";
import { ago, bytes, percent } from "../lib/format.js";
import { empty, jobLink, pill } from "./small.js";

const SHOWN_MILLISECONDS = 5 * 60_000;
const MOST_SPANS = 300;

/** Lanes that grow with each `update(workers)`. */
export function lanes() {
  const list = h("ul", { class: "lanes" });
  const nothing = h("div", {});
  const node = h("div", {}, list, nothing);
  node.update = (workers) => {
    keyed(list, workers, (worker) => worker.name, lane);
    fill(nothing, workers.length ? null : empty("No worker was seen in the last hour: jobs wait. convq serve starts one."));
  };
  return node;
}

function lane(worker) {
  const state = pill(worker.state);
  const runs = h("span", { class: "clip" });
  const busy = h("span", { class: ["small", "muted", "nowrap"] });
  const vitals = h("div", { class: ["lane-vitals", "small", "muted"] });
  const track = h("div", { class: "lane-track", "aria-hidden": "true" });
  const spans = new Ring(MOST_SPANS);
  const node = h(
    "li",
    {},
    h("div", { class: "lane-name" }, h("strong", {}, worker.name), h("span", { class: ["small", "muted", "clip"] }, worker.device ? `${worker.device.kind} · ${worker.device.name}` : "device not known")),
    h("div", { class: "lane-state" }, state, runs, busy),
    h("div", { class: "lane-past" }, track, vitals),
  );
  node.update = (now) => {
    const at = Date.now();
    state.update(now.state);
    const shown = `${now.running} ${now.state} ${now.fault}`;
    if (runs.dataset.shown !== shown) {
      runs.dataset.shown = shown;
      fill(runs, now.running ? jobLink(now.running) : h("span", { class: "muted", title: now.fault ?? "" }, now.state === "up" ? "idle" : now.fault ?? `seen ${ago(now.last_seen)}`));
    }
    extend(spans, now, at);
    draw(track, spans.items, at);
    say(busy, `busy ${percent(share(spans.items), 0)} of the time`);
    fill(vitals, told(now.vitals ?? null).map((text) => h("span", {}, text)));
  };
  return node;
}

function extend(spans, worker, at) {
  const last = spans.items.at(-1);
  const what = worker.running ?? "";
  if (last) last.to = at;
  if (!last || last.what !== what || last.state !== worker.state) spans.push({ what, state: worker.state, from: at, to: at });
  while (spans.items.length && spans.items[0].to < at - SHOWN_MILLISECONDS) spans.items.shift();
}

function share(spans) {
  const whole = spans.reduce((sum, one) => sum + one.to - one.from, 0);
  const working = spans.reduce((sum, one) => sum + (one.what ? one.to - one.from : 0), 0);
  return whole ? working / whole : 0;
}

function draw(track, spans, at) {
  const begin = at - SHOWN_MILLISECONDS;
  fill(track, spans.filter((one) => one.what || one.state !== "up").map((one) => {
    const bar = h("span", { class: `is-${one.state}`, title: one.what });
    const from = Math.max(begin, one.from);
    bar.style.left = `${(100 * (from - begin)) / SHOWN_MILLISECONDS}%`;
    bar.style.width = `${Math.max(0.15, (100 * (one.to - from)) / SHOWN_MILLISECONDS)}%`;
    return bar;
  }));
}

/** What a worker tells of its processes and devices; what it does not tell is left out. */
function told(vitals) {
  if (!vitals) return [];
  const processor = [vitals.utilisation === null ? null : `processor ${percent(vitals.utilisation, 0)}`, `memory ${bytes(vitals.memory)}`, degrees(vitals.temperature)];
  const gpus = vitals.gpus.flatMap((gpu) => [gpu.name, gpu.utilisation === null ? null : percent(gpu.utilisation, 0), gpu.memory === null ? null : `${bytes(gpu.memory)} of ${bytes(gpu.memory_total)}`, degrees(gpu.temperature), gpu.watts === null ? null : `${Math.round(gpu.watts)} W`]);
  return [...processor, ...gpus].filter(Boolean);
}

function degrees(value) {
  return value === null ? null : `${Math.round(value)} °C`;
}
