/** All trainings and sweeps, with how they do. */

import { get } from "../lib/api.js";
import { fill, h, keyed, say } from "../lib/dom.js";
import { every } from "../lib/every.js";
import { ago, count, decimal, duration, percent } from "../lib/format.js";
import { to } from "../lib/router.js";
import { card, empty, pill, progressOf } from "../parts/small.js";

const SHOWN = 30;
const REFRESH = 2000;

export async function show({ root, signal }) {
  const sections = [
    { kind: "train", title: "Trainings", missing: "No training yet: convq train --model small-cnn --data mnist-small.npz --epochs 5" },
    { kind: "sweep", title: "Sweeps", missing: "No sweep yet: convq sweep compares trainings that differ in their options." },
  ].map((section) => ({ ...section, rows: h("tbody", {}), nothing: h("div", {}) }));
  fill(root, sections.map(({ title, rows, nothing }) => card(title, { flush: true }, h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ["State", "Training", "Done"].map((text) => h("th", { scope: "col" }, text)), ["Loss", "Accuracy", "Images/s", "Left"].map((text) => h("th", { scope: "col", class: ["number", "wide"] }, text)), h("th", { scope: "col", class: "wide" }, "Submitted"))), rows)), nothing)));
  await every(REFRESH, signal, async () => {
    const pages = await Promise.all(sections.map(({ kind }) => get(`/v1/jobs?kind=${kind}&limit=${SHOWN}`, signal)));
    sections.forEach(({ rows, nothing, missing }, at) => {
      const jobs = pages[at].jobs.filter((job) => !job.parent);
      keyed(rows, jobs, (job) => job.id, row);
      fill(nothing, jobs.length ? null : empty(missing));
    });
  });
}

function row(job) {
  const state = pill(job.state);
  const bar = progressOf(job);
  const cells = Array.from({ length: 4 }, () => h("td", { class: ["number", "wide"] }));
  const when = h("td", { class: ["muted", "nowrap", "wide"] });
  const node = h("tr", {}, h("td", {}, state), h("td", { class: "clip" }, h("a", { href: to("training", [job.id]) }, job.label || job.id)), h("td", { class: "done" }, bar), cells, when);
  node.update = (now) => {
    const metrics = now.metrics ?? {};
    const running = now.state === "running";
    state.update(now.state);
    bar.update(now);
    const texts = [decimal(metrics.validation_loss ?? metrics.loss), percent(metrics.validation_accuracy ?? metrics.accuracy), running ? count(metrics.images_per_second) : "–", running ? duration(metrics.seconds_left) : "–"];
    texts.forEach((text, at) => say(cells[at], text));
    say(when, ago(now.created));
  };
  return node;
}
