/** Small parts that many views use. */

import { h, say } from "../lib/dom.js";
import { count, duration } from "../lib/format.js";
import { to } from "../lib/router.js";

/** A state as a coloured word. */
export function pill(state) {
  const node = h("span", { class: ["pill", `is-${state}`] }, state);
  node.update = (now) => {
    node.className = `pill is-${now}`;
    say(node, now);
  };
  return node;
}

/** A box with a head. */
export function card(title, { tools = [], flush = false, classes = [] } = {}, ...children) {
  const body = h("div", { class: ["body", flush && "flush"] }, children);
  const node = h("section", { class: ["card", classes], "aria-label": title }, h("header", {}, h("h2", {}, title), tools), body);
  node.body = body;
  return node;
}

/** What to show where nothing is. */
export function empty(text, ...more) {
  return h("div", { class: "empty" }, h("p", {}, text), more);
}

/** A problem, with what is accepted instead. */
export function trouble(error) {
  const accepted = Array.isArray(error.accepted) ? error.accepted.slice(0, 12).join(", ") : error.accepted;
  return h(
    "div",
    { class: ["note", "is-failed"], role: "alert" },
    h("strong", {}, error.field ? `${error.field}: ${error.message}` : error.message),
    accepted ? h("div", { class: "muted" }, `accepted: ${accepted}`) : null,
  );
}

export function jobLink(id, text = id) {
  return h("a", { href: to("jobs", [id]), class: text === id ? "mono" : null }, text);
}

/** What a job is called; candidates of a sweep bear its id as their label. */
export function named(job) {
  return job.label && job.label !== job.parent ? job.label : job.id;
}

export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

/** A bar with the progress of a job beside it. */
export function progressOf(job) {
  const bar = h("progress", { max: 1, "aria-label": "progress" });
  const text = h("span", { class: ["small", "muted", "nowrap"] });
  const node = h("div", { class: "progress" }, bar, text);
  node.update = ({ progress, state }) => {
    bar.max = Math.max(1, progress.total);
    bar.value = progress.done;
    // A list of full bars hides the one that moves.
    bar.hidden = state === "succeeded";
    const failed = progress.failed ? `, ${count(progress.failed)} failed` : "";
    say(text, `${count(progress.done)} of ${count(progress.total)}${failed}`);
  };
  node.update(job);
  return node;
}

/** Numbers by which a table is told to be sorted, with buttons in its head. */
export function sortable(columns, rows, row, caption) {
  let by = null;
  let down = true;
  const body = h("tbody", {});
  const heads = columns.map((column, at) =>
    h("th", { class: column.number ? "number" : null, scope: "col" }, h("button", { type: "button", onclick: () => sort(at) }, column.name)),
  );
  const draw = () => {
    const sorted = by === null ? rows : [...rows].sort((a, b) => compared(columns[by].value(a), columns[by].value(b)) * (down ? -1 : 1));
    body.replaceChildren(...sorted.map(row));
    heads.forEach((head, at) => head.setAttribute("aria-sort", at !== by ? "none" : down ? "descending" : "ascending"));
  };
  const sort = (at) => {
    down = by === at ? !down : Boolean(columns[at].number);
    by = at;
    draw();
  };
  const node = h("div", { class: "scroll" }, h("table", {}, caption ? h("caption", { class: "hidden-text" }, caption) : null, h("thead", {}, h("tr", {}, heads)), body));
  node.update = (now) => {
    rows = now;
    draw();
  };
  draw();
  return node;
}

function compared(a, b) {
  if (a === b) return 0;
  if (a === null || a === undefined) return -1;
  if (b === null || b === undefined) return 1;
  return a < b ? -1 : 1;
}

/** Text to copy. */
export function snippet(title, text) {
  const said = h("span", { class: ["small", "good"], role: "status" });
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    say(said, "copied");
  };
  return h("div", { class: "snippet" }, h("div", { class: "row" }, h("h3", {}, title), said, h("button", { class: ["plain", "push"], type: "button", onclick: copy, "aria-label": `copy: ${title}` }, "Copy")), h("pre", { tabindex: 0 }, text));
}

/** One of several choices, as buttons side by side. */
export function choice(label, options, chosen, onchoose) {
  const buttons = options.map(([value, text]) =>
    h("button", { type: "button", "aria-pressed": String(value === chosen), onclick: () => choose(value) }, text),
  );
  const choose = (value) => {
    buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(options[at][0] === value)));
    onchoose(value);
  };
  return h("div", { class: "group", role: "group", "aria-label": label }, buttons);
}

export function took(job) {
  return job.timings.ran === null ? duration(null) : duration(job.timings.ran);
}
