/** The registry of models, and the boxes at the edge that run them. */

import { get } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { every } from "../lib/every.js";
import { ago, count, moment } from "../lib/format.js";
import { to } from "../lib/router.js";
import { boxes } from "../parts/boxes.js";
import { card, empty } from "../parts/small.js";

const REFRESH = 5000;
const ON_A_PAGE = 50;

export async function show({ root, signal }) {
  const cursors = [null];
  let next = null;
  const rows = h("tbody", {});
  const nothing = h("div", {});
  const newer = h("button", { type: "button", onclick: () => turn(-1) }, "Previous");
  const older = h("button", { type: "button", onclick: () => turn(1) }, "Next");
  const pages = h("div", { class: "row", hidden: true }, h("div", { class: ["row", "push"] }, newer, older));
  const load = async () => {
    const cursor = cursors.at(-1);
    const page = await get(`/v1/models?${new URLSearchParams({ limit: String(ON_A_PAGE), ...(cursor && { cursor }) })}`, signal);
    next = page.next;
    fill(rows, page.models.map(row));
    fill(nothing, page.models.length ? null : empty("No model is registered yet: convq models register NAME JOB makes a version of what a training delivered."));
    newer.disabled = cursors.length === 1;
    older.disabled = !next;
    pages.hidden = newer.disabled && older.disabled;
  };
  const edge = boxes(signal);
  const turn = (way) => {
    if (way > 0) cursors.push(next);
    else cursors.pop();
    return load();
  };
  fill(root, card("Models", { flush: true }, h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Model"), h("th", { scope: "col", class: "number" }, "Versions"), h("th", { scope: "col" }, "Aliases"), h("th", { scope: "col", class: "wide" }, "Since"))), rows)), nothing), pages, edge);
  await Promise.all([every(REFRESH, signal, load), every(REFRESH, signal, edge.update)]);
}

function row(model) {
  const aliases = Object.entries({ ...model.aliases, latest: model.latest });
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, h("a", { href: to("models", [model.name]) }, model.name)),
    h("td", { class: "number" }, count(model.count)),
    h("td", {}, h("div", { class: "row" }, aliases.map(([alias, version]) => h("span", { class: "alias" }, alias, h("strong", {}, ` ${version}`))))),
    h("td", { class: ["muted", "wide"], title: moment(model.created) }, ago(model.created)),
  );
}
