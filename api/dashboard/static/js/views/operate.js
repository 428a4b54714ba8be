/** For operators: the queue, the workers, dead jobs, and what is stored. */

import { change, get, post, postPolitely } from "../lib/api.js";
import { fill, h, keyed, say } from "../lib/dom.js";
import { every } from "../lib/every.js";
import { ago, bytes, count, decimal, duration } from "../lib/format.js";
import { to } from "../lib/router.js";
import { confirm, toast } from "../parts/dialogs.js";
import { card, empty, facts, jobLink, named, pill, trouble } from "../parts/small.js";

const REFRESH = 1500;
const SHOWN_DEAD = 20;

export async function show({ root, signal }) {
  const queue = queueCard();
  const workers = workersCard();
  const dead = deadCard(signal);
  const stored = storageCard(signal);
  const plans = plansCard();
  fill(root, h("div", { class: "columns" }, queue.node, stored.node), workers.node, dead.node, plans.node);
  await every(REFRESH, signal, async () => {
    const [now, seen, failed, planned] = await Promise.all([get("/v1/queue", signal), get("/v1/workers", signal), get(`/v1/jobs?state=failed&limit=${SHOWN_DEAD}`, signal), get("/v1/stats/plans", signal)]);
    queue.update(now);
    workers.update(seen.workers);
    dead.update(failed.jobs, now.counts.failed);
    plans.update(planned.algorithms);
    await stored.update();
  });
}

async function told(request, done) {
  try {
    await request();
    toast(done, "succeeded");
  } catch (error) {
    toast(error.message, "failed");
  }
}

function queueCard() {
  let paused = false;
  const state = h("div", { class: ["note"], role: "status" });
  const button = h("button", { type: "button", onclick: () => (paused ? told(() => post("/v1/queue/resume"), "Jobs begin again.") : hold()) });
  const hold = async () => {
    const sure = await confirm("Pause the queue?", "Jobs are still taken, and none begins, of any tenant, until the queue is resumed. What runs goes on.", "Pause");
    if (sure) await told(() => post("/v1/queue/pause"), "No job begins.");
  };
  const about = h("div", {});
  const node = card("Queue", { classes: ["half"], tools: [h("div", { class: "push" }, button)] }, h("div", { class: "stack" }, state, about));
  const update = (now) => {
    paused = now.paused;
    state.className = paused ? "note is-paused" : "note is-up";
    say(state, paused ? "Paused: jobs are taken, and none begins." : "Jobs begin as workers become free.");
    say(button, paused ? "Resume" : "Pause");
    fill(about, facts([
      ["Queued", `${count(now.counts.queued)} of at most ${count(now.limits.queued)}`],
      ["Running", count(now.counts.running)],
      ["Oldest", now.oldest_seconds === null ? "none waits" : `waits for ${duration(now.oldest_seconds)}`],
      ["Wake-ups in the broker", now.messages === null ? null : count(now.messages)],
    ]));
  };
  return { node, update };
}

function workersCard() {
  const rows = h("tbody", {});
  const nothing = h("div", {});
  const node = card("Workers", { flush: true }, h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ["State", "Worker"].map((text) => h("th", { scope: "col" }, text)), ["Device", "Host"].map((text) => h("th", { scope: "col", class: "wide" }, text)), h("th", { scope: "col" }, "Runs"), h("th", { scope: "col", class: "wide" }, "Last seen"), h("th", { scope: "col" }, h("span", { class: "hidden-text" }, "actions")))), rows)), nothing);
  const row = (worker) => {
    const state = pill(worker.state);
    const runs = h("td", {});
    const seen = h("td", { class: ["muted", "nowrap", "wide"] });
    const button = h("button", { type: "button", onclick: () => act(button.dataset.state) });
    const path = `/v1/workers/${encodeURIComponent(worker.name)}`;
    const act = async (was) => {
      if (was === "draining") return told(() => post(`${path}/resume`), `${worker.name} begins jobs again.`);
      const sure = await confirm(`Drain ${worker.name}?`, "It begins no job until it is resumed. What it runs may go on for a while, then it is saved and goes to another worker.", "Drain");
      return sure ? told(() => post(`${path}/drain`), `${worker.name} drains.`) : undefined;
    };
    const node = h("tr", {}, h("td", {}, state), h("th", { scope: "row" }, worker.name), h("td", { class: "wide" }, worker.device?.name ?? "–"), h("td", { class: ["wide", "muted"] }, [worker.host, worker.pid].filter(Boolean).join(" · ")), runs, seen, h("td", { class: "number" }, button));
    node.update = (now) => {
      state.update(now.state);
      button.dataset.state = now.state;
      say(button, now.state === "draining" ? "Resume" : "Drain");
      button.disabled = now.state === "down";
      if (runs.dataset.job !== String(now.running)) {
        runs.dataset.job = String(now.running);
        fill(runs, now.running ? jobLink(now.running) : h("span", { class: "muted" }, "nothing"));
      }
      say(seen, ago(now.last_seen));
    };
    return node;
  };
  const update = (workers) => {
    keyed(rows, workers, (worker) => worker.name, row);
    fill(nothing, workers.length ? null : empty("No worker was seen in the last hour: jobs wait. convq worker starts one."));
  };
  return { node, update };
}

function deadCard(signal) {
  const rows = h("tbody", {});
  const nothing = h("div", {});
  const all = h("a", { class: "push", href: to("jobs", [], { state: "failed" }) }, "All failed jobs");
  const node = card("Dead jobs", { flush: true, tools: [all] }, h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ["Job", "Reason"].map((text) => h("th", { scope: "col" }, text)), h("th", { scope: "col", class: "wide" }, "Failed"), h("th", { scope: "col" }, h("span", { class: "hidden-text" }, "actions")))), rows)), nothing);
  const row = (job) => {
    const forget = async () => {
      if (await confirm("Delete this job?", "Its record goes at once, and its files when nothing else needs them.", "Delete", { danger: true })) await told(() => change("DELETE", `/v1/jobs/${job.id}`), "deleted");
    };
    return h(
      "tr",
      {},
      h("td", {}, h("div", { class: "clip" }, jobLink(job.id, named(job))), h("div", { class: ["small", "muted"] }, job.kind)),
      h("td", {}, h("code", {}, job.error?.code ?? ""), h("div", { class: ["small", "reason"] }, job.error?.message ?? "")),
      h("td", { class: ["muted", "nowrap", "wide"] }, ago(job.finished)),
      h("td", { class: "number" }, h("div", { class: "row" }, h("button", { type: "button", class: "push", onclick: () => told(() => postPolitely(`/v1/jobs/${job.id}/retry`, signal), "queued again") }, "Retry"), h("button", { type: "button", class: "danger", onclick: forget }, "Delete"))),
    );
  };
  const update = (jobs, number) => {
    keyed(rows, jobs, (job) => `${job.id} ${job.finished}`, row);
    fill(nothing, jobs.length ? null : empty("No job has failed."));
    say(all, number > SHOWN_DEAD ? `All ${count(number)} failed jobs` : "All failed jobs");
  };
  return { node, update };
}

/** How good plans were: what inputs took, that over what was predicted, and what other choices had cost. */
function plansCard() {
  const heads = [["Inputs"], ["Median took"], ["99 % within", "wide"], ["Took over predicted"], ["90 % within", "wide"], ["Regret", "wide"]];
  const rows = h("tbody", {});
  const nothing = h("div", {});
  const head = h("tr", {}, h("th", { scope: "col" }, "Algorithm"), heads.map(([text, more]) => h("th", { scope: "col", class: ["number", more] }, text)));
  const about = h("p", { class: ["small", "muted", "foot-note"] }, "All tenants, since the service exists. Regret is the time of the algorithm that is predicted to be the fastest over that of the one that is, at nine of ten; it is known where candidates were timed.");
  const node = card("Plans", { flush: true }, h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "plans by algorithm" }, h("table", {}, h("thead", {}, head), rows)), nothing, about);
  const row = () => {
    const cells = heads.map(([, more]) => h("td", { class: ["number", more] }));
    const name = h("th", { scope: "row" });
    const line = h("tr", {}, name, cells);
    line.update = (now) => {
      say(name, now.algorithm);
      const times = (value) => (value === null ? "–" : `${decimal(value)} ×`);
      [count(now.inputs), duration(now.seconds.p50), duration(now.seconds.p99), times(now.overrun.p50), times(now.overrun.p90), times(now.regret.p90)].forEach((text, at) => say(cells[at], text));
    };
    return line;
  };
  const update = (algorithms) => {
    keyed(rows, algorithms, (one) => one.algorithm, row);
    fill(nothing, algorithms.length ? null : empty("No convolution has been planned and timed yet."));
  };
  return { node, update };
}

function storageCard(signal) {
  const about = h("div", {});
  const found = h("div", { role: "status" });
  const button = h("button", { type: "button", onclick: () => look() }, "What would be deleted?");
  const node = card("Storage", { classes: ["half"], tools: [h("div", { class: "push" }, button)] }, h("div", { class: "stack" }, about, found));
  const look = async () => {
    button.disabled = true;
    fill(found, h("p", { class: "muted" }, "looking at every record and every file …"));
    try {
      const would = await get("/v1/storage/garbage", signal);
      fill(found, facts([
        ["Artifacts", `${count(would.records)}, of which jobs and models need ${count(would.referred)}`],
        ["Would go", `${count(would.artifacts)} artifacts and ${count(would.strays)} files without a record: ${bytes(would.freed)}`],
        ["Files missing", would.missing ? h("span", { class: "bad" }, `${count(would.missing)}; upload again: ${would.missing_digests.join(", ")}`) : null],
        ["Miscounted", would.miscounted ? h("span", { class: "bad" }, `${count(would.miscounted)}, which are kept`) : null],
      ]));
    } catch (error) {
      if (error.name !== "AbortError") fill(found, trouble(error));
    } finally {
      button.disabled = false;
    }
  };
  const update = async () => {
    const now = await get("/v1/storage", signal);
    const tenants = Object.entries(now.tenants).sort((a, b) => b[1] - a[1]).slice(0, 10);
    fill(about, h("progress", { class: "stored", max: now.most, value: now.stored, "aria-label": "storage used" }), facts([
      ["Stored", `${bytes(now.stored)} of at most ${bytes(now.most)}`],
      ["Kept unused for", duration(now.retention)],
      ...(tenants.length > 1 ? tenants.map(([name, size]) => [name, bytes(size)]) : []),
    ]));
  };
  return { node, update };
}
