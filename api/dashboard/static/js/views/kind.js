/** One kind of job, to be tried: a sample or a file of one's own, its fields, its plan, its results. */

import { events, get, pause, post, upload } from "../lib/api.js";
import { fill, h, say } from "../lib/dom.js";
import { bytes, duration, shape } from "../lib/format.js";
import { to } from "../lib/router.js";
import { asset, PICTURED, SAMPLES } from "../lib/samples.js";
import { toast } from "../parts/dialogs.js";
import { fieldsOf } from "../parts/fields.js";
import { gallery, small } from "../parts/gallery.js";
import { planOf } from "../parts/plan.js";
import { uploaded, within } from "../parts/sample.js";
import { card, empty, facts, jobLink, trouble } from "../parts/small.js";
import { isDrawable, ofArtifact } from "../parts/source.js";

const TYPING = 400;
const WAIT = 5;

export async function show({ root, parts: [name], signal, setTitle }) {
  const { kinds } = await get("/v1/kinds", signal);
  const kind = kinds.find((one) => one.name === name);
  if (!kind) return void fill(root, empty(`There is no kind of job called ${name}.`, h("a", { href: to("gallery") }, "All kinds")));
  setTitle(name);
  const sample = SAMPLES[name] ?? { files: { inputs: [] }, body: {} };
  const given = await uploaded(sample, signal);
  let asked = new AbortController();
  signal.addEventListener("abort", () => asked.abort(), { once: true });

  const planned = card("Plan", { flush: true }, empty("Nothing has been planned yet."));
  const results = card("Result", {}, empty("The result comes here."));
  const took = h("span", { class: "muted", role: "status" });
  const run = h("button", { type: "button", class: "first", onclick: () => compute() }, "Run it");
  const fields = fieldsOf(kind.schema, sample.body, () => replan());
  const input = inputOf(given, signal, () => replan());

  const body = () => {
    const typed = fields.value();
    return typed && within({ kind: name, ...typed }, given.named);
  };
  const replan = async () => {
    asked.abort();
    asked = new AbortController();
    const own = asked.signal;
    try {
      await pause(TYPING, own);
      const wanted = body();
      if (!wanted) return;
      const { plan } = await post("/v1/plans", wanted, { signal: own });
      fill(planned.body, plannedAs(plan));
    } catch (error) {
      if (error.name !== "AbortError") fill(planned.body, trouble(error));
    }
  };
  const compute = async () => {
    const wanted = body();
    if (!wanted) return;
    run.disabled = true;
    say(took, "computing …");
    try {
      let job = await post("/v1/jobs", { ...wanted, priority: "interactive", label: `gallery: ${name}` }, { headers: { Prefer: `wait=${WAIT}` }, signal });
      if (!job.finished) {
        fill(took, "runs: ", jobLink(job.id, "the job"));
        for await (const event of events(job.id, signal)) if (event.data.state === "failed") break;
        job = await get(`/v1/jobs/${job.id}`, signal);
      }
      fill(took, `${duration(job.timings.ran)} in all, `, jobLink(job.id, "the job"));
      const found = await get(`/v1/jobs/${job.id}/results`, signal);
      fill(results.body, job.error ? trouble(job.error) : null, sample.model && job.state === "succeeded" ? kept(job, sample.model) : null, gallery(job.id, found, given.names, signal));
    } catch (error) {
      if (error.name !== "AbortError") fill(results.body, trouble(error));
      say(took, "");
    } finally {
      run.disabled = false;
    }
  };

  fill(
    root,
    h("p", {}, h("a", { href: to("gallery") }, "Gallery"), " · ", kind.summary),
    sample.needs ? await missing(sample.needs, signal) : null,
    PICTURED.has(name) ? h("img", { class: "exhibit", src: asset(`${name}.webp`), alt: `examples of ${name}` }) : null,
    h("div", { class: "columns" }, h("div", { class: ["third", "stack"] }, card("Input", {}, input), card("Options", {}, fields, h("div", { class: ["row", "run-row"] }, run, took))), h("div", { class: ["two-thirds", "stack"] }, results, planned)),
  );
  if (Object.keys(given.named).length) await replan();
}

function inputOf(given, signal, onchange) {
  const shown = h("div", { class: ["inputs"] });
  const said = h("p", { class: ["small", "muted"], role: "status" });
  const file = h("input", { type: "file", class: "hidden-text", tabindex: -1, "aria-label": "file", onchange: () => file.files[0] && take(file.files[0]) });
  const draw = async () => {
    const sources = await Promise.all([...given.names].map(([digest, name]) => ofArtifact(digest, name, signal)));
    fill(shown, await Promise.all(sources.map((source) => figure(source, signal))));
  };
  const take = async (own) => {
    say(said, "uploading …");
    try {
      const { digest } = await upload(own, signal);
      given.names.clear();
      given.names.set(digest, own.name);
      const data = Object.keys(given.named).find((path) => path.endsWith("data"));
      if (data) given.named[data] = digest;
      else given.named.inputs = [{ artifact: digest, name: own.name }];
      say(said, "");
      await draw();
      onchange();
    } catch (error) {
      if (error.name !== "AbortError") fill(said, trouble(error));
    }
  };
  draw().catch(() => {});
  return h("div", { class: "stack" }, shown, h("div", { class: "row" }, h("button", { type: "button", onclick: () => file.click() }, "Use a file of your own"), file), said);
}

async function figure(source, signal) {
  const about = `${source.name}${source.shape ? `, ${shape(source.shape)} ${source.dtype ?? ""}` : `, ${bytes(source.size)}`}`;
  const picture = isDrawable(source) ? await small(source, signal) : null;
  return h("figure", {}, picture, h("figcaption", { class: ["small", "muted"] }, about));
}

function plannedAs(plan) {
  if (plan.groups || plan.layers) return planOf(plan);
  const told = Object.entries(plan).filter(([, value]) => ["number", "string"].includes(typeof value));
  return h("div", { class: "body" }, facts(told.map(([name, value]) => [name, name === "seconds" ? duration(value) : name === "bytes" ? bytes(value) : String(value)])));
}

/** What a model is wanted for is told before it is missed. */
async function missing(model, signal) {
  const { models } = await get(`/v1/models?${new URLSearchParams({ limit: "200" })}`, signal);
  if (models.some((one) => one.name === model)) return null;
  return h("div", { class: "note" }, `The sample wants a model called ${model}. `, h("a", { href: to("gallery", ["train"]) }, "Train it"), ", or name another one under More.");
}

function kept(job, model) {
  const keep = async () => {
    try {
      const { version } = await post(`/v1/models/${model}`, { job: job.id });
      toast(`${model} has version ${version}.`, "succeeded");
    } catch (error) {
      toast(error.message, "failed");
    }
  };
  return h("div", { class: ["row", "kept"] }, h("button", { type: "button", onclick: keep }, `Keep it as model ${model}`), h("a", { href: to("training", [job.id]) }, "Curves"), h("a", { href: to("gallery", ["predict"]) }, "Predict with it"));
}
