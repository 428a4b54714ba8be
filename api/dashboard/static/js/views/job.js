/** One job: how it went, by which plan, what came of it, and how to have it again. */

import { change, events, get, key, post } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { Ring } from "../lib/every.js";
import { bytes, count, decimal, digest, duration, moment } from "../lib/format.js";
import { bare, curl, python } from "../lib/reproduce.js";
import { to } from "../lib/router.js";
import { confirm, toast } from "../parts/dialogs.js";
import { gallery } from "../parts/gallery.js";
import { planOf } from "../parts/plan.js";
import { card, empty, facts, jobLink, pill, progressOf, snippet, trouble } from "../parts/small.js";
import { timelineOf } from "../parts/timeline.js";

const ENDED = new Set(["succeeded", "failed", "cancelled"]);
const MOST_EVENTS = 300;

export async function show({ root, tools, parts: [id], signal, setTitle }) {
  let job = await get(`/v1/jobs/${encodeURIComponent(id)}`, signal);
  const [body, { kinds }] = await Promise.all([get(`/v1/jobs/${id}/body`, signal), get("/v1/kinds", signal)]);
  const short = bare(body, kinds.find((kind) => kind.name === body.kind)?.schema);
  const names = inputNames(body);
  setTitle(job.label || `${job.kind} job`);

  const bar = progressOf(job);
  const top = h("div", { class: "row" });
  const wrong = h("div", {});
  const timeline = card("Timeline", { classes: ["two-thirds"] });
  const about = card("About", { classes: ["third"] });
  const results = card("Results");
  const plan = card("Plan", { flush: true });
  const log = card("Events", { flush: true });
  const lines = card("Log", { flush: true });
  const seen = { events: new Ring(MOST_EVENTS), lines: new Ring(MOST_EVENTS) };

  const draw = () => {
    bar.update(job);
    fill(top, pill(job.state), job.cancel_requested && !ENDED.has(job.state) ? h("span", { class: "bad" }, "asked to stop") : null, h("span", { class: "mono" }, job.id), h("div", { class: "run-bar" }, bar), job.state === "running" ? h("span", { class: "muted" }, job.progress.stage) : null);
    fill(wrong, job.error ? trouble(job.error) : null);
    fill(timeline.body, timelineOf(job));
    fill(about.body, facts(aboutOf(job, names)));
    fill(plan.body, job.plan ? planOf(job.plan) : empty("This job has no plan."));
    fill(tools, buttons(job, reload));
  };
  const drawResults = async () => {
    if (!ENDED.has(job.state)) return void fill(results.body, empty("Results are committed when the job has ended, all at once."));
    const found = await get(`/v1/jobs/${id}/results`, signal);
    const nothing = !found.results.length && !found.failures.length;
    return void fill(results.body, nothing ? empty("This job made no files.") : gallery(id, found, names, signal));
  };
  const reload = async () => {
    const before = job.state;
    job = await get(`/v1/jobs/${id}`, signal);
    draw();
    if (job.state !== before) await drawResults();
  };

  draw();
  fill(
    root,
    h("section", { class: "stack", "aria-label": "State" }, top, wrong),
    h("div", { class: "columns" }, timeline, about),
    results,
    plan,
    card("Do it again", {}, h("div", { class: "columns" }, h("div", { class: "half" }, snippet("Shell", curl(short, location.origin, Boolean(key.get())))), h("div", { class: "half" }, snippet("Python", python(short, location.origin))))),
    h("div", { class: "columns" }, h("div", { class: "half" }, lines), h("div", { class: "half" }, log)),
  );
  await drawResults();
  await follow(id, signal, seen, { log, lines }, async (event) => {
    if (event.event === "progress") Object.assign(job.progress, event.data);
    else if (event.event === "metrics") job.metrics = event.data;
    else if (event.event !== "log") await reload();
    draw();
  });
}

/** Show events as they come; what has happened before the view was opened comes in one go. */
async function follow(id, signal, seen, { log, lines }, onevent) {
  const draw = () => {
    fill(log.body, listed("events", seen.events, (event) => [at(event), h("strong", {}, event.event), h("span", {}, told(event))]));
    fill(lines.body, seen.lines.items.length ? listed("log", seen.lines, logged) : empty("No worker has logged anything about this job."));
  };
  draw();
  const opened = Date.now();
  let due = null;
  for await (const event of events(id, signal)) {
    (event.event === "log" ? seen.lines : seen.events).push(event);
    // Many events of one moment are drawn once.
    due ??= setTimeout(() => {
      due = null;
      if (!signal.aborted) draw();
    }, 100);
    if (Number(event.id.split("-")[0]) > opened - 5000) await onevent(event);
  }
}

function listed(name, ring, parts) {
  return h("ol", { class: "events", tabindex: 0, "aria-label": name }, [...ring.items].reverse().map((event) => h("li", {}, parts(event))));
}

function at(event) {
  return h("span", { class: ["mono", "small", "muted"] }, new Date(Number(event.id.split("-")[0])).toLocaleTimeString());
}

function logged(event) {
  const { level, event: said, fields = {}, error, traceback } = event.data;
  const more = Object.entries(fields).map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`);
  const bad = level === "error" || level === "critical";
  return [at(event), h("strong", { class: bad ? "bad" : null }, level), h("span", {}, [said, error, ...more].filter(Boolean).join(" · "), traceback ? h("details", {}, h("summary", {}, "traceback"), h("pre", {}, traceback)) : null)];
}

function told({ event, data }) {
  if (event === "state") return [data.state, data.worker, data.reason].filter(Boolean).join(" · ");
  if (event === "progress") return `${count(data.done)} of ${count(data.total)}${data.stage ? ` · ${data.stage}` : ""}`;
  if (event === "metrics") return Object.entries(data).filter(([, value]) => typeof value === "number").slice(0, 6).map(([name, value]) => `${name} ${decimal(value)}`).join(", ");
  return JSON.stringify(data).slice(0, 200);
}

function inputNames(body) {
  const names = new Map();
  for (const one of Array.isArray(body.inputs) ? body.inputs : []) {
    if (typeof one === "string") names.set(one, `input ${digest(one)}`);
    else if (one?.artifact) names.set(one.artifact, one.name ?? `input ${digest(one.artifact)}`);
  }
  return names;
}

function aboutOf(job, names) {
  const predicted = job.plan?.seconds;
  return [
    ["Kind", job.kind],
    ["Label", job.label],
    ["Priority", job.priority],
    ["Runs on", job.device === "auto" ? null : `workers ${job.device === "gpu" ? "with" : "without"} a GPU`],
    ["Waits for", job.waits_for],
    ["Inputs", names.size ? count(names.size) : null],
    ["Begun by", job.parent ? jobLink(job.parent) : null],
    ["Waited", duration(job.timings.queued)],
    ["Predicted", predicted === undefined ? null : duration(predicted)],
    ["Ran", duration(job.timings.ran)],
    ["Memory", job.plan?.bytes ? `${bytes(job.plan.bytes)} by the plan` : null],
    ["Attempts", job.attempts.length ? String(job.attempts.length) : null],
    ["Saved", job.checkpointed ? moment(job.checkpointed) : null],
    ["Trace", job.trace ? h("span", { class: "mono small" }, job.trace) : null],
  ];
}

function buttons(job, reload) {
  const act = (name, done) => async () => {
    try {
      await post(`/v1/jobs/${job.id}/${name}`);
      toast(done, "succeeded");
      await reload();
    } catch (error) {
      toast(error.message, "failed");
    }
  };
  const forget = async () => {
    const sure = await confirm("Delete this job?", "Its record goes at once, and its files when nothing else needs them.", "Delete", { danger: true });
    if (!sure) return;
    await change("DELETE", `/v1/jobs/${job.id}`);
    location.hash = to("jobs");
  };
  const stop = async () => {
    if (await confirm("Cancel this job?", "What runs is stopped.", "Cancel it", { danger: true })) await act("cancel", "asked to stop")();
  };
  const training = job.kind === "train" || job.kind === "sweep" ? h("a", { class: "button", href: to("training", [job.id]) }, "Curves") : null;
  if (!ENDED.has(job.state)) return [training, h("button", { type: "button", class: "danger", onclick: stop }, "Cancel")];
  return [training, job.state === "succeeded" ? null : h("button", { type: "button", onclick: act("retry", "queued again") }, "Retry"), h("button", { type: "button", class: "danger", onclick: forget }, "Delete")];
}
