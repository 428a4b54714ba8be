/** How the service fares now: the queue, the workers, what ends and how long it takes. */

import { get } from "../lib/api.js";
import { chart } from "../lib/chart.js";
import { fill, h, keyed, say } from "../lib/dom.js";
import { every, Ring } from "../lib/every.js";
import { ago, clock, count, duration, short } from "../lib/format.js";
import { to } from "../lib/router.js";
import { card, empty, jobLink, pill, progressOf, took } from "../parts/small.js";
import { lanes } from "../parts/lanes.js";

const REFRESH = 1000;
const RECENT = 8;
const MOST_SAMPLES = 600;

export async function show({ root, signal }) {
  const tiles = tilesOf();
  const samples = new Ring(MOST_SAMPLES);
  const depth = chart({ title: "Jobs that wait and run", x: clock, y: short, least: 0, wholeY: true, height: 200 });
  const workers = lanes();
  const rows = h("tbody", {});
  const nothing = h("div", {});
  fill(
    root,
    tiles.node,
    h("div", { class: "columns" }, card("Queue", { classes: ["half"] }, depth)),
    card("Workers", { flush: true }, workers),
    card("Newest jobs", { flush: true, tools: [h("a", { class: "push", href: to("jobs") }, "All jobs")] }, h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ["State", "Job"].map((text) => h("th", { scope: "col" }, text)), h("th", { scope: "col", class: "wide" }, "Kind"), h("th", { scope: "col" }, "Done"), h("th", { scope: "col", class: ["number", "wide"] }, "Ran"), h("th", { scope: "col", class: "wide" }, "Submitted"))), rows)), nothing),
  );
  await every(REFRESH, signal, async () => {
    const [queue, seen, recent] = await Promise.all([get("/v1/queue", signal), get("/v1/workers", signal), get(`/v1/jobs?limit=${RECENT}`, signal)]);
    tiles.update(queue);
    samples.push({ at: Date.now(), queued: queue.counts.queued, running: queue.counts.running });
    const of = (name) => samples.items.map((one) => [one.at, one[name]]);
    depth.update([{ name: "queued", style: "is-queued", area: true, points: of("queued") }, { name: "running", style: "is-running", area: true, points: of("running") }]);
    workers.update(seen.workers);
    keyed(rows, recent.jobs, (job) => job.id, row);
    fill(nothing, recent.jobs.length ? null : empty("No jobs yet.", h("a", { href: to("bench") }, "Filter a picture on the bench")));
  });
}

function tilesOf() {
  const names = { queued: "Queued", running: "Running", waiting: "Waiting", succeeded: "Succeeded", failed: "Failed", cancelled: "Cancelled" };
  const figures = {};
  const more = {};
  const node = h("div", { class: "tiles" }, Object.entries(names).map(([state, text]) => {
    figures[state] = h("span", { class: "figure" }, "–");
    more[state] = h("span", { class: "more" });
    return h("a", { class: "tile", href: to("jobs", [], { state }) }, h("span", { class: ["name", `is-${state}`] }, h("i", { class: "dot" }), text), figures[state], more[state]);
  }));
  const update = (queue) => {
    for (const state of Object.keys(names)) say(figures[state], count(queue.counts[state]));
    say(more.queued, queue.paused ? "paused: none begins" : queue.oldest_seconds === null ? "" : `oldest waits ${duration(queue.oldest_seconds)}`);
  };
  return { node, update };
}

function row(job) {
  const state = pill(job.state);
  const bar = progressOf(job);
  const ran = h("td", { class: ["number", "wide"] });
  const when = h("td", { class: ["muted", "nowrap", "wide"] });
  const node = h("tr", {}, h("td", {}, state), h("td", {}, h("div", { class: "clip" }, jobLink(job.id, job.label || job.id))), h("td", { class: "wide" }, job.kind), h("td", { class: "done" }, bar), ran, when);
  node.update = (now) => {
    state.update(now.state);
    bar.update(now);
    say(ran, took(now));
    say(when, ago(now.created));
  };
  return node;
}
