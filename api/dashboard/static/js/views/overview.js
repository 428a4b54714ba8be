/** How the service fares: the queue, the workers, what ends and how long it takes. */

import { get } from "../lib/api.js";
import { chart } from "../lib/chart.js";
import { fill, h, keyed, say } from "../lib/dom.js";
import { every, Ring } from "../lib/every.js";
import { ago, clock, count, decimal, duration, short } from "../lib/format.js";
import { to } from "../lib/router.js";
import { lanes } from "../parts/lanes.js";
import { card, choice, empty, jobLink, named, pill, progressOf, took } from "../parts/small.js";

const REFRESH = 1000;
const REFRESH_PAST = 5000;
const RECENT = 8;
const MOST_SAMPLES = 600;
const WINDOWS = [["hour", "Hour"], ["day", "Day"], ["week", "Week"]];
const TIMES = [["ran", "Running"], ["waited", "Waiting"]];

export async function show({ root, signal }) {
  const tiles = tilesOf();
  const depth = depthCard();
  const past = pastCards(signal);
  const workers = lanes();
  const newest = newestCard();
  fill(root, tiles.node, h("div", { class: ["columns", "even"] }, depth.chart, depth.table), card("Workers", { flush: true }, workers), h("div", { class: "columns" }, past.ended, past.times), newest.node);
  await Promise.all([
    every(REFRESH, signal, async () => {
      const [stats, seen, recent] = await Promise.all([get("/v1/stats", signal), get("/v1/workers", signal), get(`/v1/jobs?limit=${RECENT}`, signal)]);
      tiles.update(stats);
      depth.update(stats);
      workers.update(seen.workers);
      newest.update(recent.jobs);
    }),
    every(REFRESH_PAST, signal, past.update),
  ]);
}

function tilesOf() {
  const names = { ready: ["Ready", "queued"], running: ["Running", "running"], delayed: ["Delayed", "waiting"], dead: ["Dead", "failed"], speed: ["Ended per minute", ""], time: ["Median run", ""] };
  const figures = {};
  const more = {};
  const node = h("div", { class: "tiles" }, Object.entries(names).map(([name, [text, state]]) => {
    figures[name] = h("span", { class: "figure" }, "–");
    more[name] = h("span", { class: "more" });
    const content = [h("span", { class: ["name", state && `is-${state}`] }, state ? h("i", { class: "dot" }) : null, text), figures[name], more[name]];
    return state ? h("a", { class: "tile", href: to("jobs", [], { state }) }, content) : h("div", { class: "tile" }, content);
  }));
  const update = (stats) => {
    for (const name of ["ready", "running", "delayed", "dead"]) say(figures[name], count(stats[name]));
    say(more.ready, stats.paused ? "paused: none begins" : stats.oldest_seconds === null ? "nothing waits" : `oldest waits ${duration(stats.oldest_seconds)}`);
    const busy = stats.workers.busy ?? 0;
    const up = busy + (stats.workers.up ?? 0);
    say(more.running, `${count(busy)} of ${count(up)} workers busy`);
    say(more.delayed, "waits for other jobs");
    say(more.dead, stats.dead ? "see why" : "none");
    say(figures.speed, decimal(stats.recent.per_minute));
    say(more.speed, `last ${duration(stats.recent.seconds)}`);
    say(figures.time, duration(stats.recent.ran.p50));
    say(more.time, stats.recent.ran.p99 === null ? "" : `99 % within ${duration(stats.recent.ran.p99)}`);
  };
  return { node, update };
}

function depthCard() {
  const samples = new Ring(MOST_SAMPLES);
  const drawn = chart({ title: "Jobs that are ready and run, since this page was opened", x: seconds, y: short, least: 0, wholeY: true, height: 190 });
  const rows = h("tbody", {});
  const row = ([name]) => {
    const cells = Array.from({ length: 3 }, () => h("td", { class: "number" }));
    const node = h("tr", {}, h("th", { scope: "row" }, name), cells);
    node.update = ([, line]) => [count(line.ready), count(line.running), duration(line.oldest_seconds)].forEach((text, at) => say(cells[at], text));
    return node;
  };
  const update = (stats) => {
    samples.push({ at: Date.now(), ready: stats.ready, running: stats.running });
    const of = (name) => samples.items.map((one) => [one.at, one[name]]);
    drawn.update([{ name: "ready", style: "is-queued", area: true, points: of("ready") }, { name: "running", style: "is-running", points: of("running") }]);
    keyed(rows, Object.entries(stats.priorities), ([name]) => name, row);
  };
  const heads = ["Ready", "Running", "Oldest"].map((text) => h("th", { scope: "col", class: "number" }, text));
  return {
    chart: card("Queue, live", { classes: ["two-thirds"] }, drawn),
    table: card("By priority", { classes: ["third"], flush: true }, h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "jobs by priority" }, h("table", { class: "tight" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Priority"), heads)), rows))),
    update,
  };
}

/** What ended and how long it took, of the time before the page was opened, too. */
function pastCards(signal) {
  let span = "hour";
  let what = "ran";
  let history = null;
  const x = (at) => (span === "week" ? new Date(at).toLocaleDateString(undefined, { weekday: "short", hour: "2-digit" }) : clock(at));
  const ended = chart({ title: "Jobs that ended, per minute", x, y: decimal, least: 0, height: 200 });
  const times = chart({ title: "Percentiles of times", x, y: duration, least: 0, height: 200 });
  const draw = () => {
    if (!history) return;
    const of = (value) => history.points.map((point) => [Date.parse(point.at), value(point)]);
    const rate = (state) => of((point) => (60 * point[state]) / Math.max(1, point.seconds));
    ended.update([{ name: "succeeded", style: "is-succeeded", area: true, points: rate("succeeded") }, { name: "failed", style: "is-failed", points: rate("failed") }, { name: "cancelled", style: "is-cancelled", points: rate("cancelled") }]);
    times.update([["p50", "median", "s1"], ["p90", "90 %", "s2"], ["p99", "99 %", "s5"]].map(([share, name, style]) => ({ name, style, dots: true, points: of((point) => point[what][share]) })));
  };
  const update = async () => {
    history = await get(`/v1/stats/history?window=${span}`, signal);
    draw();
  };
  const windows = choice("how far back", WINDOWS, span, (value) => {
    span = value;
    update().catch(() => {});
  });
  const kinds = choice("which time", TIMES, what, (value) => {
    what = value;
    draw();
  });
  return { ended: card("Ended per minute", { classes: ["half"], tools: [h("div", { class: "push" }, windows)] }, ended), times: card("How long jobs take", { classes: ["half"], tools: [h("div", { class: "push" }, kinds)] }, times), update };
}

function newestCard() {
  const rows = h("tbody", {});
  const nothing = h("div", {});
  const heads = [h("th", { scope: "col" }, "State"), h("th", { scope: "col" }, "Job"), h("th", { scope: "col", class: "wide" }, "Kind"), h("th", { scope: "col" }, "Done"), h("th", { scope: "col", class: ["number", "wide"] }, "Ran"), h("th", { scope: "col", class: "wide" }, "Submitted")];
  const node = card("Newest jobs", { flush: true, tools: [h("a", { class: "push", href: to("jobs") }, "All jobs")] }, h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, heads)), rows)), nothing);
  const update = (jobs) => {
    keyed(rows, jobs, (job) => job.id, row);
    fill(nothing, jobs.length ? null : empty("No jobs yet.", h("a", { href: to("bench") }, "Filter a picture on the bench")));
  };
  return { node, update };
}

function row(job) {
  const state = pill(job.state);
  const bar = progressOf(job);
  const ran = h("td", { class: ["number", "wide"] });
  const when = h("td", { class: ["muted", "nowrap", "wide"] });
  const node = h("tr", {}, h("td", {}, state), h("td", {}, h("div", { class: "clip" }, jobLink(job.id, named(job)))), h("td", { class: "wide" }, job.kind), h("td", { class: "done" }, bar), ran, when);
  node.update = (now) => {
    state.update(now.state);
    bar.update(now);
    say(ran, took(now));
    say(when, ago(now.created));
  };
  return node;
}

function seconds(at) {
  return new Date(at).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}
