/** Where the time of a job went: in the queue, in each attempt, in the stages of the last one. */

import { h } from "../lib/dom.js";
import { duration, moment } from "../lib/format.js";
import { pill } from "./small.js";

/** The timeline of a job, as bars over its life. */
export function timelineOf(job) {
  const begin = Date.parse(job.created);
  const end = job.finished ? Date.parse(job.finished) : Date.now();
  const length = Math.max(1, end - begin);
  const place = (from, to) => ({ left: (100 * (from - begin)) / length, width: Math.max(0.4, (100 * (to - from)) / length) });
  const rows = [];
  let free = begin;
  for (const attempt of job.attempts) {
    const from = Date.parse(attempt.started);
    const to = attempt.ended ? Date.parse(attempt.ended) : end;
    if (from - free >= 1) rows.push(bar("queued", "in the queue", free, from, place));
    rows.push(bar(attempt.outcome ?? "running", `attempt ${attempt.number}`, from, to, place, attempt));
    free = to;
  }
  if (job.state === "queued" || (!job.attempts.length && job.finished)) rows.push(bar("queued", "in the queue", free, end, place));
  if (job.state === "waiting") rows.push(bar("waiting", "waits for its jobs", free, end, place));
  return h(
    "div",
    { class: "timeline" },
    h("ol", {}, rows),
    stages(job),
    h("p", { class: ["small", "muted"] }, `submitted ${moment(job.created)}${job.finished ? `, ended ${moment(job.finished)}` : ""}`),
  );
}

function bar(state, name, from, to, place, attempt = null) {
  const { left, width } = place(from, to);
  const span = h("span", { class: ["span", `is-${state}`] });
  span.style.left = `${Math.min(99.6, left)}%`;
  span.style.width = `${Math.min(100 - left, width)}%`;
  return h(
    "li",
    {},
    h("span", { class: "who" }, name, attempt ? h("span", { class: ["muted", "small"] }, ` ${attempt.worker}`) : null),
    h("span", { class: "track" }, span),
    h("span", { class: "what" }, attempt ? pill(state) : null, " ", duration((to - from) / 1000)),
    attempt?.reason ? h("span", { class: ["reason", "small", "muted"] }, attempt.reason) : null,
  );
}

function stages(job) {
  const found = Object.entries(job.timings.stages).filter(([, seconds]) => seconds > 0);
  if (!found.length) return null;
  const all = found.reduce((sum, [, seconds]) => sum + seconds, 0);
  return h(
    "div",
    { class: "stages" },
    h("h3", {}, "Stages of the last attempt"),
    h("div", { class: "split", "aria-hidden": "true" }, found.map(([, seconds], at) => {
      const part = h("span", { class: `s${(at % 8) + 1}` });
      part.style.flexGrow = seconds / all;
      return part;
    })),
    h("div", { class: "legend" }, found.map(([name, seconds], at) => h("span", { class: `s${(at % 8) + 1}` }, h("i", { class: "swatch" }), `${name} ${duration(seconds)}`))),
  );
}
