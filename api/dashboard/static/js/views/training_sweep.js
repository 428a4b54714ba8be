/** A sweep: its candidates as a table that can be sorted, and their curves over one another. */

import { events, get } from "../lib/api.js";
import { chart } from "../lib/chart.js";
import { fill, h } from "../lib/dom.js";
import { every } from "../lib/every.js";
import { decimal, percent } from "../lib/format.js";
import { to } from "../lib/router.js";
import { card, choice, pill, sortable } from "../parts/small.js";

const REFRESH = 2000;
const MOST_CANDIDATES = 400;
const MOST_CURVES = 8;
const ENDED = new Set(["succeeded", "failed", "cancelled"]);

export async function showSweep({ root, tools, signal }, job) {
  const body = await get(`/v1/jobs/${job.id}/body`, signal);
  const paths = Object.keys(body.vary);
  const objective = body.objective ?? "validation_loss";
  const falls = objective.endsWith("loss");
  const known = new Map();
  const overlaid = new Set();
  let chosen = false;
  let figure = objective;

  const curves = chart({ title: `Curves of the candidates: ${objective}`, height: 280, wholeX: true, x: (value) => `epoch ${decimal(value)}` });
  const columns = [
    { name: "State", value: (one) => one.job.state },
    ...paths.map((path) => ({ name: path, number: true, value: (one) => one.values[path] })),
    { name: "Epochs", number: true, value: (one) => one.job.metrics?.epoch ?? 0 },
    ...["loss", "validation_loss", "accuracy", "validation_accuracy"].map((name) => ({ name: name.replace("_", " "), number: true, value: (one) => metric(one, name) })),
  ];
  const table = sortable([{ name: "Curve", value: (one) => (overlaid.has(one.id) ? 0 : 1) }, ...columns], [], row, "candidates");
  const style = (id) => `s${([...overlaid].indexOf(id) % MOST_CURVES) + 1}`;
  const drawCurves = () => curves.update([...overlaid].map((id) => known.get(id)).filter(Boolean).map((one) => ({ name: told(one, paths), style: style(one.id), points: points(one, figure), dots: one.history.size < 30 })));
  function draw() {
    if (!table.contains(document.activeElement) || document.activeElement.type !== "checkbox") table.update([...known.values()]);
    drawCurves();
  }
  const figures = choice("figure", [["validation_loss", "Validation loss"], ["validation_accuracy", "Validation accuracy"], ["loss", "Loss"]], objective, (name) => {
    figure = name;
    drawCurves();
  });
  fill(root, card("Curves", { tools: [figures] }, curves), card("Candidates", { flush: true }, table, h("p", { class: ["small", "muted", "foot-note"] }, `Compared by ${objective.replace("_", " ")}; the candidates train as jobs of their own.`)));

  const label = body.train.label || job.id;
  await every(REFRESH, signal, async () => {
    const children = await candidates(label, job.id, signal);
    for (const child of children) {
      await update(known, child, paths, signal);
      draw();
    }
    if (!chosen && known.size) {
      const best = [...known.values()].filter((one) => metric(one, objective) !== null).sort((a, b) => (metric(a, objective) - metric(b, objective)) * (falls ? 1 : -1));
      overlaid.clear();
      for (const one of best.slice(0, MOST_CURVES)) overlaid.add(one.id);
    }
    draw();
    const now = await get(`/v1/jobs/${job.id}`, signal);
    fill(tools, pill(now.state), h("a", { class: "button", href: to("jobs", [job.id]) }, "The job"));
  });

  function row(one) {
    const id = one.id;
    const check = h("input", { type: "checkbox", checked: overlaid.has(id), disabled: !overlaid.has(id) && overlaid.size >= MOST_CURVES, "aria-label": `draw the curve of ${told(one, paths)}`, onchange: () => {
      chosen = true;
      if (check.checked) overlaid.add(id);
      else overlaid.delete(id);
      check.blur();
      draw();
    } });
    return h(
      "tr",
      {},
      h("td", { class: style(id) }, h("label", { class: "row" }, check, overlaid.has(id) ? h("i", { class: "swatch" }) : null)),
      h("td", {}, pill(one.job.state)),
      paths.map((path) => h("td", { class: "number" }, h("a", { href: to("training", [id]) }, typeof one.values[path] === "number" ? decimal(one.values[path]) : String(one.values[path] ?? "–")))),
      h("td", { class: "number" }, one.job.metrics?.epoch ?? "–"),
      ["loss", "validation_loss"].map((name) => h("td", { class: "number" }, decimal(metric(one, name)))),
      ["accuracy", "validation_accuracy"].map((name) => h("td", { class: "number" }, percent(metric(one, name)))),
    );
  }
}

function told(one, paths) {
  return paths.map((path) => `${path.split(".").at(-1)} ${typeof one.values[path] === "number" ? decimal(one.values[path]) : one.values[path]}`).join(", ");
}

function metric(one, name) {
  return one.job.metrics?.[name] ?? [...one.history.values()].at(-1)?.[name] ?? null;
}

function points(one, name) {
  return [...one.history.values()].sort((a, b) => a.epoch - b.epoch).filter((entry) => typeof entry[name] === "number").map((entry) => [entry.epoch, entry[name]]);
}

async function candidates(label, parent, signal) {
  const found = [];
  let cursor = null;
  do {
    const page = await get(`/v1/jobs?${new URLSearchParams({ kind: "train", label, limit: "200", ...(cursor && { cursor }) })}`, signal);
    found.push(...page.jobs.filter((job) => job.parent === parent));
    cursor = page.next;
  } while (cursor && found.length < MOST_CANDIDATES);
  return found;
}

/** Remember a candidate: what is varied in it, and its history; of an ended one that is read once. */
async function update(known, job, paths, signal) {
  const one = known.get(job.id) ?? { id: job.id, values: null, history: new Map(), complete: false };
  one.job = job;
  if (!one.values) {
    const body = await get(`/v1/jobs/${job.id}/body`, signal);
    one.values = Object.fromEntries(paths.map((path) => [path, path.split(".").reduce((at, name) => at?.[name], body)]));
  }
  if (job.metrics?.epoch && "validation_loss" in job.metrics) one.history.set(job.metrics.epoch, { ...job.metrics, filters: null });
  if (ENDED.has(job.state) && !one.complete) {
    one.complete = true;
    for await (const { event, data } of events(job.id, signal)) {
      if (event === "metrics" && "validation_loss" in data) one.history.set(data.epoch, { ...data, filters: null });
    }
  }
  known.set(job.id, one);
}
