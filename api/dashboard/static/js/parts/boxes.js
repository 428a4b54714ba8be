/** Groups of boxes at the edge: what they should run, how far that is, and how each box is. */

import { get } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { ago, bytes, count, digest, duration, moment } from "../lib/format.js";
import { card, empty } from "./small.js";

// A box reports every minute or so.
const SILENT_MILLISECONDS = 5 * 60_000;
const ROLLING = { rolling: "is-running", stopped: "is-failed", done: "is-succeeded" };

/** Sections for all groups; `update` asks again. */
export function boxes(signal) {
  const node = h("div", { class: "stack" });
  node.update = async () => {
    let groups = [];
    try {
      ({ groups } = await get("/v1/edge/groups", signal));
    } catch (error) {
      // A key that may read models only is shown the models only.
      if (error.status !== 403 && error.status !== 404) throw error;
      return;
    }
    const all = await Promise.all(groups.map((group) => get(`/v1/edge/groups/${encodeURIComponent(group.name)}/boxes`, signal)));
    fill(node, groups.map((group, at) => section(group, all[at].boxes)));
  };
  return node;
}

function section(group, list) {
  const head = [released(group.release), rolledOut(group.rollout)];
  const body = list.length
    ? h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": `boxes of ${group.name}` }, h("table", {}, h("thead", {}, h("tr", {}, ["Box", "Health", "Version"].map((text) => h("th", { scope: "col" }, text)), ["p50", "p99", "Memory", "Watts", "°C", "Not delivered"].map((text) => h("th", { scope: "col", class: ["number", "wide"] }, text)), h("th", { scope: "col" }, "Seen"))), h("tbody", {}, list.map(row))))
    : empty(`No box has enrolled: convq edge enrol ${group.name}`);
  return card(`Edge: ${group.name}`, { flush: true, tools: head }, body);
}

function released(release) {
  return release ? h("span", { class: "muted" }, `runs ${release.name}, version ${release.sequence}, for ${release.profile}`) : h("span", { class: "muted" }, "runs nothing yet");
}

function rolledOut(rollout) {
  if (!rollout) return null;
  return h("div", { class: ["row", "push"] }, h("span", { class: "small" }, `version ${rollout.release.sequence}: ${count(rollout.good)} of ${count(rollout.chosen)} boxes have proved it, ${rollout.share} % of all`), h("span", { class: ["pill", ROLLING[rollout.state]], title: rollout.reason }, rollout.state), rollout.reason ? h("span", { class: ["small", "bad"] }, rollout.reason) : null);
}

function row(box) {
  const { health } = box;
  const [state, name] = condition(box);
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, box.name, h("div", { class: ["small", "muted"] }, box.board ?? box.id)),
    h("td", {}, h("span", { class: ["pill", state] }, name), health?.problem ? h("div", { class: ["small", "bad"] }, health.problem) : null, health?.refused ? h("div", { class: ["small", "bad"] }, `refused ${digest(health.refused.digest)}: ${health.refused.why}`) : null),
    h("td", {}, health?.version ? `${health.version.name} ${health.version.sequence}` : "–", health?.version && !health.proved ? h("span", { class: ["small", "muted"] }, " on trial") : null),
    [duration(health?.latency.p50), duration(health?.latency.p99), bytes(health?.memory), most(health?.watts), most(health?.celsius), count(health?.spool.waiting)].map((text) => h("td", { class: ["number", "wide"] }, text)),
    h("td", { class: ["muted", "nowrap"], title: moment(box.seen) }, ago(box.seen)),
  );
}

function condition({ health, seen }) {
  if (!seen || Date.now() - Date.parse(seen) > SILENT_MILLISECONDS) return ["is-unknown", "silent"];
  if (health?.problem) return ["is-failed", "in trouble"];
  if (health?.throttled.length) return ["is-cancelled", "throttled"];
  return ["is-succeeded", "well"];
}

function most(readings) {
  const values = Object.values(readings ?? {}).filter((value) => value !== null);
  return values.length ? Math.max(...values).toFixed(1) : "–";
}
