/** One training: curves while it learns, then what it got wrong. */

import { bytes, events, get } from "../lib/api.js";
import { chart } from "../lib/chart.js";
import { open } from "../lib/dataset.js";
import { fill, h, say } from "../lib/dom.js";
import { Ring } from "../lib/every.js";
import { count, decimal, duration, percent } from "../lib/format.js";
import { to } from "../lib/router.js";
import { confusion } from "../parts/confusion.js";
import { ofResult } from "../parts/source.js";
import { learned } from "../parts/learned.js";
import { mistakes } from "../parts/mistakes.js";
import { card, empty, pill, trouble } from "../parts/small.js";

const ENDED = new Set(["succeeded", "failed", "cancelled"]);
const MOST_MOMENTS = 600;
const DRAW_EVERY = 200;

export async function showTraining({ root, tools, signal }, first) {
  const id = first.id;
  const epochs = new Map();
  const moments = new Ring(MOST_MOMENTS);
  const tiles = tilesOf();
  const loss = chart({ title: "Loss by epoch", height: 240, x: epoch, wholeX: true, least: 0 });
  const accuracy = chart({ title: "Accuracy by epoch", height: 240, x: epoch, wholeX: true, y: (value) => percent(value, 0) });
  const speed = chart({ title: "Images per second", height: 140, x: epoch, wholeX: true, y: count, least: 0, legend: false });
  const rate = chart({ title: "Learning rate", height: 140, x: epoch, wholeX: true, least: 0, legend: false });
  const kernels = learned();
  const filters = card("First layer", { classes: ["half"] }, empty("Filters come with the end of the first epoch."));
  const table = card("Confusion", { classes: ["half"] }, empty("Known when the training has ended."));
  const wrong = card("Most wrong", {}, empty("Known when the training has ended."));
  const problem = h("div", {}, first.error ? trouble(first.error) : null);

  fill(
    root,
    problem,
    tiles.node,
    h("div", { class: "columns" }, card("Loss", { classes: ["half"] }, loss), card("Accuracy", { classes: ["half"] }, accuracy), card("Images per second", { classes: ["half"] }, speed), card("Learning rate", { classes: ["half"] }, rate)),
    h("div", { class: "columns" }, filters, table),
    wrong,
  );

  const shape = first.plan?.data?.shape ?? null;
  const body = await get(`/v1/jobs/${id}/body`, signal);
  const image = shape ? await open(body.data, shape, signal).catch(() => null) : null;
  if (image) kernels.look(image(0), shape[2], shape[1]);

  let due = null;
  const drawSoon = () => {
    due ??= setTimeout(() => {
      due = null;
      if (!signal.aborted) draw();
    }, DRAW_EVERY);
  };
  const draw = () => {
    const all = [...epochs.values()].sort((a, b) => a.epoch - b.epoch);
    const of = (name) => all.filter((one) => typeof one[name] === "number").map((one) => [one.epoch, one[name]]);
    const live = (name) => moments.items.filter((one) => typeof one[name] === "number" && one.at > (all.at(-1)?.epoch ?? 0)).map((one) => [one.at, one[name]]);
    const dots = all.length < 30;
    loss.update([{ name: "training", style: "s1", points: [...of("loss"), ...live("loss")], dots }, { name: "validation", style: "s2", points: of("validation_loss"), dots }]);
    accuracy.update([{ name: "training", style: "s1", points: [...of("accuracy"), ...live("accuracy")], dots }, { name: "validation", style: "s2", points: of("validation_accuracy"), dots }]);
    const told = moments.items.length > 1 ? moments.items : all.map((one) => ({ ...one, at: one.epoch }));
    speed.update([{ name: "images/s", style: "s3", area: true, points: told.map((one) => [one.at, one.images_per_second ?? null]) }]);
    rate.update([{ name: "rate", style: "s4", points: told.map((one) => [one.at, one.learning_rate ?? null]) }]);
    tiles.update(moments.items.at(-1) ?? all.at(-1), all.at(-1));
    if (!kernels.isEmpty()) {
      if (!kernels.isConnected) fill(filters.body, kernels);
      kernels.draw();
    }
  };
  const take = (metrics) => {
    const at = metrics.step && metrics.steps && !("validation_loss" in metrics) ? metrics.epoch - 1 + metrics.step / metrics.steps : metrics.epoch;
    moments.push({ ...metrics, filters: null, at });
    if ("validation_loss" in metrics) epochs.set(metrics.epoch, { ...metrics, filters: null });
    if (metrics.filters) kernels.add(metrics.epoch, metrics.filters);
    drawSoon();
  };
  const end = async (state) => {
    const job = state === first.state ? first : await get(`/v1/jobs/${id}`, signal);
    fill(tools, pill(job.state), h("a", { class: "button", href: to("jobs", [id]) }, "The job"));
    fill(problem, job.error ? trouble(job.error) : null);
    if (!ENDED.has(job.state)) return;
    const { results } = await get(`/v1/jobs/${id}/results`, signal);
    const found = results.find((result) => result.name === "metrics.json");
    if (!found) return;
    const figures = await (await bytes(ofResult(id, found).path, null, signal)).json();
    for (const one of figures.history) epochs.set(one.epoch, { ...epochs.get(one.epoch), ...one });
    const evaluation = figures.evaluation;
    const classes = job.plan?.data?.classes ?? evaluation?.confusion?.map((_, at) => String(at));
    if (evaluation?.confusion) fill(table.body, confusion(evaluation.confusion, classes));
    else fill(table.body, empty("This training has no classes to confuse."));
    if (evaluation?.mistakes?.length) fill(wrong.body, mistakes(evaluation.mistakes, classes, image, shape?.[2], shape?.[1]));
    else fill(wrong.body, empty(evaluation ? "No image of the validation was taken for another class." : "This training had no images to validate with."));
    draw();
  };

  if (ENDED.has(first.state)) await end(first.state);
  for await (const { event, data } of events(id, signal)) {
    if (event === "metrics") take(data);
    else if (event === "state") await end(data.state);
  }
}

function epoch(value) {
  return `epoch ${decimal(value)}`;
}

function tilesOf() {
  const named = { epoch: "Epoch", loss: "Loss", accuracy: "Accuracy", speed: "Images per second", left: "Time left" };
  const figures = Object.fromEntries(Object.keys(named).map((name) => [name, h("span", { class: "figure" }, "–")]));
  const more = Object.fromEntries(Object.keys(named).map((name) => [name, h("span", { class: "more" })]));
  const update = (now, whole) => {
    if (!now) return;
    say(figures.epoch, `${count(now.epoch)}${now.epochs ? ` / ${count(now.epochs)}` : ""}`);
    say(figures.loss, decimal(whole?.validation_loss ?? now.loss));
    say(more.loss, whole?.validation_loss === undefined ? "of the training images" : `validation; training ${decimal(now.loss)}`);
    say(figures.accuracy, percent(whole?.validation_accuracy ?? now.accuracy));
    say(more.accuracy, whole?.validation_accuracy === undefined ? "of the training images" : `validation; training ${percent(now.accuracy)}`);
    say(figures.speed, count(now.images_per_second));
    say(figures.left, now.seconds_left === undefined ? "–" : duration(now.seconds_left));
  };
  return { update, node: h("div", { class: "tiles" }, Object.entries(named).map(([name, text]) => h("div", { class: "tile" }, h("span", { class: "name" }, text), figures[name], more[name]))) };
}
