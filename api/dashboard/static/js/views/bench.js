/** The convolution bench: a picture, a kernel, the plan for both at once, and the result. */

import { events, get, pause, post, upload } from "../lib/api.js";
import { chart } from "../lib/chart.js";
import { paint } from "../lib/colour.js";
import { fill, h, say } from "../lib/dom.js";
import { duration, shape } from "../lib/format.js";
import { spectrum } from "../lib/fourier.js";
import { kernelForm } from "../parts/kernel.js";
import { planOf } from "../parts/plan.js";
import { card, empty, jobLink, trouble } from "../parts/small.js";
import { load, ofArtifact, ofResult } from "../parts/source.js";
import { viewer } from "../parts/viewer.js";

const SIDES = [3, 5, 7, 11, 17, 27, 43, 65];
const SPECTRUM = 256;
const TYPING = 250;
const WAIT = 20;

export async function show({ root, signal }) {
  const { kinds, presets } = await get("/v1/kinds", signal);
  const properties = kinds.find(({ name }) => name === "convolve").schema.properties;
  const state = { artifact: null, name: "" };
  let asked = new AbortController();
  signal.addEventListener("abort", () => asked.abort(), { once: true });

  const said = h("p", { class: "muted", role: "status" }, "No picture yet.");
  const file = h("input", { type: "file", class: "hidden-text", tabindex: -1, "aria-label": "picture", onchange: () => file.files[0] && take(file.files[0], file.files[0].name) });
  const drop = h("div", { class: "drop" }, h("p", {}, "Drop a picture, an array (.npy) or a sound here"), h("div", { class: "row" }, h("button", { type: "button", onclick: () => file.click() }, "Choose a file"), h("button", { type: "button", onclick: () => sample().then((blob) => take(blob, "rings.jpg")) }, "Use a test picture")), file, said);
  const kernel = kernelForm(presets, () => replan());
  const options = ["mode", "boundary", "method", "output", "range"].map((name) => optionOf(name, properties[name], () => replan()));
  const run = h("button", { type: "button", class: "first", disabled: true, onclick: () => compute() }, "Convolve");
  const took = h("span", { class: "muted", role: "status" });

  const planned = card("Plan", { flush: true }, empty("The plan comes with the picture; nothing runs for it."));
  const crossing = chart({ title: "Predicted seconds by kernel side", height: 260, logX: true, logY: true, x: (value) => `${Math.round(value)}`, y: duration });
  const curve = card("Where algorithms cross", { classes: ["half"] }, h("p", { class: ["small", "muted"] }, "Predicted time by the side of a square kernel without structure, for this picture on this device."), crossing);
  const shown = card("Result", {}, empty("The result comes here."));
  const spectra = card("Spectra", { classes: ["half"] }, empty("Magnitudes of the frequencies, before and after."));

  const dropped = (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const [one] = event.dataTransfer.files;
    if (one) take(one, one.name);
  };
  root.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  root.addEventListener("dragleave", () => drop.classList.remove("over"));
  root.addEventListener("drop", dropped);

  fill(
    root,
    h("div", { class: "columns" }, h("div", { class: ["third", "stack"] }, card("Picture", {}, drop), card("Kernel", {}, kernel), card("Options", {}, h("div", { class: "fields" }, options.map(({ node }) => node)), h("div", { class: ["row", "run-row"] }, run, took))), h("div", { class: ["two-thirds", "stack"] }, shown, planned, h("div", { class: "columns" }, curve, spectra))),
  );

  async function take(blob, name) {
    say(said, "uploading …");
    try {
      const artifact = await upload(blob, signal);
      Object.assign(state, { artifact, name });
      say(said, `${name}: ${shape(artifact.shape)} ${artifact.dtype ?? ""}`);
      run.disabled = false;
      fill(shown.body, viewer({ before: await ofArtifact(artifact.digest, name, signal), after: null, signal }));
      await replan();
    } catch (error) {
      if (error.name !== "AbortError") fill(said, trouble(error));
    }
  }

  function body(chosen) {
    const set = Object.fromEntries(options.map(({ name, value }) => [name, value()]).filter(([, value]) => value !== null));
    return { kind: "convolve", inputs: [{ artifact: state.artifact.digest, name: state.name }], kernel: chosen, ...set };
  }

  async function replan() {
    asked.abort();
    asked = new AbortController();
    const own = asked.signal;
    const chosen = kernel.value();
    if (!state.artifact || !chosen) return;
    try {
      await pause(TYPING, own);
      const { plan } = await post("/v1/plans", body(chosen), { signal: own });
      fill(planned.body, planOf(plan));
      await cross(own);
    } catch (error) {
      if (error.name !== "AbortError") fill(planned.body, trouble(error));
    }
  }

  async function cross(own) {
    const series = new Map();
    for (const side of SIDES) {
      const document = { ...body({ values: noise(side) }), method: "auto" };
      const { plan } = await post("/v1/plans", document, { signal: own });
      for (const one of plan.groups[0]?.candidates ?? []) {
        if (one.refused || one.seconds === null || one.algorithm === "reference") continue;
        if (!series.has(one.algorithm)) series.set(one.algorithm, []);
        series.get(one.algorithm).push([side, one.seconds]);
      }
      crossing.update([...series].map(([name, points], at) => ({ name, points, style: `s${(at % 8) + 1}`, dots: true })));
    }
  }

  async function compute() {
    const chosen = kernel.value();
    if (!chosen) return;
    run.disabled = true;
    say(took, "computing …");
    try {
      let job = await post("/v1/jobs", { ...body(chosen), priority: "interactive", label: `bench: ${kernel.named()}` }, { headers: { Prefer: `wait=${WAIT}` }, signal });
      if (!job.finished) {
        for await (const event of events(job.id, signal)) say(took, event.data.stage || event.data.state || "computing …");
        job = await get(`/v1/jobs/${job.id}`, signal);
      }
      if (job.plan) fill(planned.body, planOf(job.plan));
      await present(job);
    } catch (error) {
      if (error.name !== "AbortError") fill(shown.body, trouble(error));
      say(took, "");
    } finally {
      run.disabled = false;
    }
  }

  async function present(job) {
    fill(took, `${duration(job.timings.ran)} in all, `, jobLink(job.id, "the job"));
    const { results, failures } = await get(`/v1/jobs/${job.id}/results`, signal);
    if (!results.length) return void fill(shown.body, trouble(job.error ?? failures[0] ?? new Error("the job made nothing")));
    const before = await ofArtifact(state.artifact.digest, state.name, signal);
    const after = ofResult(job.id, results[0]);
    fill(shown.body, viewer({ before, after, signal }));
    const drawn = await Promise.all([before, after].map((source) => spectrumOf(source, signal)));
    return void fill(spectra.body, h("div", { class: "pair" }, drawn.map((canvas, at) => h("figure", {}, canvas, h("figcaption", { class: ["small", "muted"] }, at ? "result" : "input")))));
  }
}

function optionOf(name, facts, onchange) {
  const select = h("select", { onchange }, facts.enum.map((value) => h("option", { value }, value)));
  select.value = facts.default;
  return { name, value: () => (select.value === facts.default ? null : select.value), node: h("label", { class: "field", title: facts.description }, name, select) };
}

/** A kernel without structure, the same for the same side. */
function noise(side) {
  let seed = side;
  const next = () => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return Math.round((seed / 2147483648 - 0.5) * 1000) / 1000;
  };
  return Array.from({ length: side }, () => Array.from({ length: side }, next));
}

async function spectrumOf(source, signal) {
  const image = await load(source, signal);
  const canvas = h("canvas", { width: SPECTRUM, height: SPECTRUM });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image.draw(0, "grey"), 0, 0, SPECTRUM, SPECTRUM);
  const { data } = context.getImageData(0, 0, SPECTRUM, SPECTRUM);
  const values = new Float64Array(SPECTRUM * SPECTRUM);
  for (let at = 0; at < values.length; at += 1) {
    // A window, or the edges of the picture would be a cross in its spectrum.
    const row = 0.5 - 0.5 * Math.cos((2 * Math.PI * Math.floor(at / SPECTRUM)) / SPECTRUM);
    const column = 0.5 - 0.5 * Math.cos((2 * Math.PI * (at % SPECTRUM)) / SPECTRUM);
    values[at] = (data[4 * at] + data[4 * at + 1] + data[4 * at + 2] - 384) * row * column;
  }
  const drawn = paint(spectrum(values, SPECTRUM), SPECTRUM, SPECTRUM, "magma", [2, 14]);
  drawn.setAttribute("role", "img");
  drawn.setAttribute("aria-label", `spectrum of ${source.name}`);
  return drawn;
}

/** Rings that become finer outwards: every frequency in every direction, and edges. */
function sample() {
  const side = 512;
  const values = Float32Array.from({ length: side * side }, (_, at) => {
    const y = Math.floor(at / side) - side / 2;
    const x = (at % side) - side / 2;
    return Math.abs(x) < 40 && Math.abs(y) < 40 ? (Math.abs(x) + Math.abs(y) < 30 ? 1 : -1) : Math.cos((Math.PI * 0.4 * (x * x + y * y)) / side);
  });
  return new Promise((resolve) => paint(values, side, side, "grey", [-1, 1]).toBlob(resolve, "image/jpeg", 0.95));
}
