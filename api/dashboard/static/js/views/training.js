/** One training, or one sweep: how it learns, and what it has learned. */

import { get } from "../lib/api.js";
import { to } from "../lib/router.js";
import { fill, h } from "../lib/dom.js";
import { pill } from "../parts/small.js";
import { showSweep } from "./training_sweep.js";
import { showTraining } from "./training_one.js";

export async function show(view) {
  const { parts: [id], tools, signal, setTitle } = view;
  const job = await get(`/v1/jobs/${encodeURIComponent(id)}`, signal);
  setTitle(job.label || (job.kind === "sweep" ? "Sweep" : "Training"));
  fill(tools, pill(job.state), h("a", { class: "button", href: to("jobs", [id]) }, "The job"));
  await (job.kind === "sweep" ? showSweep(view, job) : showTraining(view, job));
}
