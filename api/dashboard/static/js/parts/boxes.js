/** Groups of boxes at the edge: what they should run, how far that is, and how each box is. */

import { get, post } from "../lib/api.js";
import { fill, h, keyed, say } from "../lib/dom.js";
import { ago, bytes, count, digest, duration, moment } from "../lib/format.js";
import { confirm, toast } from "./dialogs.js";
import { card, empty } from "./small.js";

// A box reports every minute or so.
const SILENT_MILLISECONDS = 5 * 60_000;
const COLUMNS = 10;
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
    keyed(node, groups.map((group, at) => ({ group, list: all[at].boxes })), ({ group }) => group.name, section);
  };
  return node;
}

function section({ group: { name } }) {
  const runs = h("span", { class: "muted" });
  const rolls = h("div", { class: ["row", "push"] });
  const steer = h("button", { type: "button", onclick: () => act(name, steer.dataset.action) });
  const rows = h("tbody", {});
  const nothing = h("div", {});
  const why = h("div", {});
  const node = card(`Edge: ${name}`, { flush: true, tools: [runs, rolls, steer] }, why, h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": `boxes of ${name}` }, h("table", {}, h("thead", {}, h("tr", {}, ["Box", "Health", "Version"].map((text) => h("th", { scope: "col" }, text)), ["p50", "p99", "Memory", "Watts", "°C", "Not delivered"].map((text) => h("th", { scope: "col", class: ["number", "wide"] }, text)), h("th", { scope: "col" }, "Seen"))), rows)), nothing);
  node.update = ({ group, list }) => {
    const action = { rolling: "stop", stopped: "resume" }[group.rollout?.state];
    say(runs, released(group.release));
    fill(rolls, rolledOut(group.rollout));
    fill(why, group.rollout?.reason ? h("div", { class: ["note", group.rollout.state === "stopped" && "is-failed"] }, group.rollout.reason) : null);
    steer.hidden = !action;
    steer.dataset.action = action ?? "";
    say(steer, action === "stop" ? "Stop" : "Resume");
    fill(rows, list.map((box) => [row(box), wrong(box)]));
    fill(nothing, list.length ? null : empty(`No box has enrolled: convq edge enrol ${name}`));
  };
  return node;
}

const ASKED = {
  stop: ["Stop the roll-out?", "No further box gets the new version; those that have it keep it.", "Stop it"],
  resume: ["Go on with the roll-out?", "The next stage begins at once, whatever the boxes say.", "Go on"],
};

async function act(group, action) {
  if (!(await confirm(...ASKED[action]))) return;
  try {
    await post(`/v1/edge/groups/${encodeURIComponent(group)}/rollout/${action}`);
    toast(action === "stop" ? "No further box gets it." : "The next stage begins.", "succeeded");
  } catch (error) {
    toast(error.message, "failed");
  }
}

function released(release) {
  return release ? `runs ${release.name}, version ${release.sequence}, for ${release.profile}` : "runs nothing yet";
}

function rolledOut(rollout) {
  if (!rollout) return null;
  return [
    h("span", { class: "small" }, `version ${rollout.release.sequence} for ${rollout.share} %: ${count(rollout.good)} of ${count(rollout.chosen)} boxes have proved it`),
    h("progress", { class: "rolled", max: Math.max(1, rollout.chosen), value: rollout.good, "aria-label": "boxes that have proved it" }),
    h("span", { class: ["pill", ROLLING[rollout.state]] }, rollout.state),
  ];
}

function row(box) {
  const { health } = box;
  const [state, name] = condition(box);
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, box.name, h("div", { class: ["small", "muted"] }, box.board ?? box.id)),
    h("td", {}, h("span", { class: ["pill", state] }, name)),
    h("td", {}, health?.version ? `${health.version.name} ${health.version.sequence}` : "–", health?.version && !health.proved ? h("span", { class: ["small", "muted"] }, " on trial") : null),
    [duration(health?.latency.p50), duration(health?.latency.p99), bytes(health?.memory), most(health?.watts), most(health?.celsius), count(health?.spool.waiting)].map((text) => h("td", { class: ["number", "wide"] }, text)),
    h("td", { class: ["muted", "nowrap"], title: moment(box.seen) }, ago(box.seen)),
  );
}

/** What went wrong goes below all columns: it is as long as it has to be. */
function wrong({ health }) {
  const problem = health?.problem === health?.refused?.why ? null : health?.problem;
  const told = [problem, health?.refused && `refused ${digest(health.refused.digest)}: ${health.refused.why}`].filter(Boolean);
  return told.length ? h("tr", { class: "more" }, h("td", { colspan: COLUMNS, class: ["small", "bad", "reason"] }, told.map((text) => h("div", {}, text)))) : null;
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
