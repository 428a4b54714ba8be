/** All jobs: filters, pages, and what can be done to many at once. */

import { get, postPolitely } from "../lib/api.js";
import { every } from "../lib/every.js";
import { fill, h, keyed, say } from "../lib/dom.js";
import { ago, count, moment } from "../lib/format.js";
import { to } from "../lib/router.js";
import { confirm, toast } from "../parts/dialogs.js";
import { empty, jobLink, named, pill, progressOf, took } from "../parts/small.js";

const STATES = ["queued", "running", "waiting", "succeeded", "failed", "cancelled"];
const ACTIONS = {
  retry: { verb: "Retry", done: "queued again", from: new Set(["failed", "cancelled"]) },
  cancel: { verb: "Cancel", done: "cancelled", from: new Set(["queued", "running", "waiting"]) },
};
const ON_A_PAGE = 50;
const LOOKED_AT_ONCE = 200;
// A text is looked for in the newest jobs, so many at a time: the service has no index of words.
const LOOKED_AT_MOST = 2000;
const AT_ONCE = 4;
const REFRESH = 1500;

export async function show({ root, tools, query, signal }) {
  const filters = { state: query.get("state") ?? "", kind: query.get("kind") ?? "", label: query.get("label") ?? "", tenant: query.get("tenant") ?? "", text: query.get("text") ?? "" };
  // Of others an operator sees the lists; what is done to a job is done by its tenant.
  const { tenant: own, tenants } = await get("/v1/queue", signal);
  const isOwn = (job) => job.tenant === own;
  const cursors = [null];
  const selected = new Set();
  let page = { jobs: [], next: null };

  const rows = h("tbody", {});
  const nothing = h("div", {});
  const where = h("span", { class: ["small", "muted"], role: "status" });
  const older = h("button", { type: "button", onclick: () => turn(1) }, "Older");
  const newer = h("button", { type: "button", onclick: () => turn(-1) }, "Newer");
  const all = h("input", { type: "checkbox", "aria-label": "select all jobs of this page", onchange: () => select(page.jobs.filter(isOwn).map((job) => job.id), all.checked) });
  const bulk = h("div", { class: ["row", "bulk"], hidden: true });

  const row = (job) => {
    const check = h("input", { type: "checkbox", disabled: !isOwn(job), "aria-label": `select job ${job.id}`, onchange: () => select([job.id], check.checked) });
    const state = pill(job.state);
    const bar = progressOf(job);
    const when = h("td", { class: ["nowrap", "muted", "wide"], title: moment(job.created) });
    const ran = h("td", { class: ["number", "wide"] });
    const about = h("div", { class: ["small", "clip"] });
    const node = h(
      "tr",
      {},
      h("td", { class: "check" }, check),
      h("td", {}, state),
      filters.tenant ? h("td", { class: "muted" }, job.tenant) : null,
      h("td", {}, h("div", { class: "clip" }, isOwn(job) ? jobLink(job.id, named(job)) : named(job)), about),
      h("td", { class: "wide" }, job.kind),
      h("td", { class: "wide" }, job.priority),
      h("td", { class: "done" }, bar),
      ran,
      when,
    );
    node.update = (now) => {
      check.checked = selected.has(now.id);
      state.update(now.state);
      bar.update(now);
      say(when, ago(now.created));
      say(ran, took(now));
      say(about, now.error ? now.error.message : now.state === "running" ? now.progress.stage : named(now) === now.id ? "" : now.id);
      about.className = now.error ? "small clip bad" : "small clip muted";
    };
    return node;
  };

  const load = async () => {
    page = await fetched(filters, cursors.at(-1), signal);
    keyed(rows, page.jobs, (job) => job.id, row);
    fill(nothing, page.jobs.length ? null : empty(anyFilter(filters) ? "No job matches these filters." : "No jobs yet.", anyFilter(filters) ? h("a", { href: to("jobs") }, "Show all jobs") : h("a", { href: to("bench") }, "Filter a picture on the bench")));
    say(where, `${cursors.length > 1 ? `page ${cursors.length}` : "newest first"}${page.looked ? `, looked at ${count(page.looked)} jobs` : ""}`);
    older.disabled = !page.next;
    newer.disabled = cursors.length === 1;
    drawBulk();
  };
  const turn = (way) => {
    if (way > 0) cursors.push(page.next);
    else cursors.pop();
    selected.clear();
    return load();
  };
  const select = (ids, isOn) => {
    for (const id of ids) isOn ? selected.add(id) : selected.delete(id);
    keyed(rows, page.jobs, (job) => job.id, row);
    drawBulk();
  };
  const drawBulk = () => {
    const chosen = page.jobs.filter((job) => selected.has(job.id));
    all.checked = page.jobs.length > 0 && chosen.length === page.jobs.length;
    all.indeterminate = chosen.length > 0 && !all.checked;
    bulk.hidden = chosen.length === 0;
    if (bulk.hidden || bulk.dataset.busy || bulk.contains(document.activeElement)) {
      const told = bulk.querySelector("strong");
      if (told) say(told, `${count(chosen.length)} selected`);
      return;
    }
    fill(
      bulk,
      h("strong", {}, `${count(chosen.length)} selected`),
      Object.entries(ACTIONS).map(([name, action]) => h("button", { type: "button", class: name === "cancel" ? "danger" : null, onclick: () => actOnSelected(name, action) }, action.verb)),
      Object.entries(ACTIONS).filter(([, action]) => action.from.has(filters.state) && page.next && !filters.tenant).map(([name, action]) => h("button", { type: "button", class: "link", onclick: () => actOnAll(name, action) }, `${action.verb} all that match`)),
      h("button", { type: "button", class: "plain", onclick: () => select([...selected], false) }, "Clear"),
    );
  };

  const actOnSelected = async (name, action) => {
    const chosen = page.jobs.filter((job) => selected.has(job.id) && action.from.has(job.state));
    if (!chosen.length) return toast(`None of the selected jobs can be ${action.done}.`, "failed");
    const sure = await confirm(`${action.verb} ${count(chosen.length)} ${chosen.length === 1 ? "job" : "jobs"}?`, consequence(name), `${action.verb} ${count(chosen.length)}`, { danger: name === "cancel" });
    if (!sure) return undefined;
    const told = await act(chosen.map((job) => job.id), name, signal);
    toast(`${count(told.done)} ${action.done}${told.refused ? `, ${count(told.refused)} refused` : ""}`, told.refused ? "failed" : "succeeded");
    selected.clear();
    return load();
  };
  const actOnAll = async (name, action) => {
    const sure = await confirm(`${action.verb} every ${filters.state} job that matches?`, `${consequence(name)} This goes through all pages${filters.text ? " of jobs with this text" : ""}, however many there are, until you leave this view.`, `${action.verb} all`, { danger: name === "cancel" });
    if (!sure) return;
    bulk.dataset.busy = "yes";
    const told = h("strong", { role: "status" }, "working …");
    fill(bulk, told);
    const sum = { done: 0, refused: 0 };
    let cursor = null;
    do {
      const some = await fetched(filters, cursor, signal, LOOKED_AT_ONCE);
      const one = await act(some.jobs.map((job) => job.id), name, signal);
      sum.done += one.done;
      sum.refused += one.refused;
      say(told, `${count(sum.done)} ${action.done} …`);
      cursor = some.next;
    } while (cursor);
    delete bulk.dataset.busy;
    toast(`${count(sum.done)} ${action.done}${sum.refused ? `, ${count(sum.refused)} refused` : ""}`, sum.refused ? "failed" : "succeeded");
    selected.clear();
    await load();
  };

  fill(tools, h("a", { class: ["button", "wide"], href: to("bench") }, "New job"));
  fill(
    root,
    await filterBar(filters, tenants ?? [], signal),
    bulk,
    h(
      "section",
      { class: "card", "aria-label": "Jobs" },
      h(
        "div",
        { class: "scroll" },
        h(
          "table",
          { class: "jobs" },
          h("thead", {}, h("tr", {}, h("th", { scope: "col", class: "check" }, all), ["State", ...(filters.tenant ? ["Tenant"] : []), "Job"].map(head), ["Kind", "Priority"].map((text) => h("th", { scope: "col", class: "wide" }, text)), head("Done"), h("th", { scope: "col", class: ["number", "wide"] }, "Ran"), h("th", { scope: "col", class: "wide" }, "Submitted"))),
          rows,
        ),
      ),
      nothing,
    ),
    h("div", { class: "row" }, where, h("div", { class: ["row", "push"] }, newer, older)),
  );
  await every(filters.text ? 3 * REFRESH : REFRESH, signal, load);
}

function head(text) {
  return h("th", { scope: "col" }, text);
}

function anyFilter(filters) {
  return Object.values(filters).some(Boolean);
}

function consequence(name) {
  return name === "cancel" ? "What runs is stopped; what was computed so far is lost, except the checkpoints of trainings." : "Each is queued again as it was.";
}

async function filterBar(filters, tenants, signal) {
  const { kinds } = await get("/v1/kinds", signal);
  const go = () => (location.hash = to("jobs", [], Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.value.trim()]))));
  const select = (name, values) => {
    const node = h("select", { onchange: go }, h("option", { value: "" }, name === "tenant" ? "own" : "any"), values.map((value) => h("option", { value }, value === "*" ? "all" : value)));
    node.value = filters[name];
    return node;
  };
  const entered = (event) => event.key === "Enter" && go();
  const inputs = {
    state: select("state", STATES),
    kind: select("kind", kinds.map((kind) => kind.name)),
    ...(tenants.length > 1 || filters.tenant ? { tenant: select("tenant", ["*", ...tenants]) } : {}),
    label: h("input", { value: filters.label, maxlength: 200, onchange: go, onkeydown: entered, placeholder: "exactly" }),
    text: h("input", { type: "search", value: filters.text, onchange: go, onkeydown: entered, placeholder: "id, label or error" }),
  };
  const named = { state: "State", kind: "Kind", tenant: "Tenant", label: "Label", text: "Text" };
  return h("search", { class: ["fields", "filters"] }, Object.entries(inputs).map(([name, input]) => h("label", { class: "field" }, named[name], input)));
}

/** Fetch a page; with a text, look through pages until one is full or enough was looked at. */
async function fetched({ state, kind, label, tenant, text }, cursor, signal, limit = ON_A_PAGE) {
  const ask = (from, most) => {
    const given = Object.entries({ state, kind, label, tenant, cursor: from, limit: String(most) }).filter(([, value]) => value);
    return get(`/v1/jobs?${new URLSearchParams(given)}`, signal);
  };
  if (!text) return ask(cursor, limit);
  const wanted = text.toLowerCase();
  const jobs = [];
  let looked = 0;
  let next = cursor;
  do {
    const page = await ask(next, LOOKED_AT_ONCE);
    looked += page.jobs.length;
    jobs.push(...page.jobs.filter((job) => [job.id, job.label, job.error?.message].some((one) => one?.toLowerCase().includes(wanted))));
    next = page.next;
  } while (next && looked < LOOKED_AT_MOST && jobs.length < limit);
  return { jobs, next, looked };
}

/** Ask the same of many jobs, a few at a time; a job that has moved on meanwhile refuses. */
async function act(ids, name, signal) {
  const left = [...ids];
  const told = { done: 0, refused: 0 };
  const one = async () => {
    for (let id = left.pop(); id; id = left.pop()) {
      try {
        await postPolitely(`/v1/jobs/${id}/${name}`, signal);
        told.done += 1;
      } catch (error) {
        if (error.status === undefined) throw error;
        told.refused += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  return told;
}
