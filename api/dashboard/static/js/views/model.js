/** One model: its versions, what they are worth, where they come from, and what names them. */

import { change, get } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { ago, count, decimal, digest, moment, percent, shape } from "../lib/format.js";
import { confirm, toast } from "../parts/dialogs.js";
import { download } from "../parts/gallery.js";
import { card, empty, facts, jobLink, trouble } from "../parts/small.js";

export async function show({ root, parts: [name], signal, setTitle }) {
  setTitle(name);
  const path = `/v1/models/${encodeURIComponent(name)}`;
  const rows = h("tbody", {});
  const more = h("button", { type: "button" }, "Older versions");
  const detail = card("Version", {}, empty("Choose a version."));
  const figures = h("thead", {});
  let versions = [];
  let measured = [];
  let model = null;

  const draw = () => {
    measured = [...new Set(versions.flatMap((version) => Object.keys(version.metrics)))].filter((name) => name !== "epoch").slice(0, 5);
    fill(figures, h("tr", {}, ["Version", "Aliases"].map((text) => h("th", { scope: "col" }, text)), measured.map((text) => h("th", { scope: "col", class: ["number", "wide"] }, text.replace("_", " "))), h("th", { scope: "col", class: "wide" }, "Made"), h("th", { scope: "col" }, h("span", { class: "hidden-text" }, "actions"))));
    fill(rows, versions.map(row));
    more.hidden = model.next === null;
  };
  const load = async (cursor) => {
    model = await get(cursor ? `${path}?cursor=${cursor}` : path, signal);
    versions = cursor ? [...versions, ...model.versions] : model.versions;
    draw();
  };
  more.addEventListener("click", () => load(model.next));

  const row = (version) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, h("button", { type: "button", class: "link", onclick: () => open(version.version) }, `version ${version.version}`)),
      h("td", { class: "nowrap" }, h("div", { class: ["row", "together"] }, version.aliases.map((alias) => h("span", { class: "alias" }, alias)), version.version === model.latest ? h("span", { class: ["alias", "muted"] }, "latest") : null)),
      measured.map((metric) => h("td", { class: ["number", "wide"] }, told(metric, version.metrics[metric]))),
      h("td", { class: ["muted", "wide"], title: moment(version.created) }, ago(version.created)),
      h("td", { class: "number" }, h("button", { type: "button", onclick: () => point(version.version), disabled: version.aliases.includes("production") }, "Make production")),
    );

  const point = async (version) => {
    const from = model.aliases.production;
    const sure = await confirm(`Point production to version ${version}?`, from ? `It points to version ${from}. Jobs that name ${name}@production take the new one from now on.` : `Jobs that name ${name}@production take this version from now on.`, "Point it there");
    if (!sure) return;
    try {
      await change("PUT", `${path}/aliases/production`, { version });
      toast(`production is version ${version}`, "succeeded");
    } catch (error) {
      toast(error.message, "failed");
    }
    await load();
  };

  const open = async (number) => {
    try {
      const version = await get(`${path}/versions/${number}`, signal);
      fill(detail.body, versionOf(version));
      detail.querySelector("h2").textContent = `Version ${number}`;
    } catch (error) {
      if (error.name !== "AbortError") fill(detail.body, trouble(error));
    }
  };

  fill(root, card("Versions", { flush: true }, h("div", { class: "scroll" }, h("table", {}, figures, rows))), h("div", { class: "row" }, more), detail);
  await load();
  if (versions.length) await open(versions[0].version);
}

function told(name, value) {
  if (value === undefined) return "–";
  return name.endsWith("accuracy") ? percent(value, 2) : decimal(value);
}

function versionOf(version) {
  return h(
    "div",
    { class: "columns" },
    h(
      "div",
      { class: ["half", "stack"] },
      version.warnings.map((warning) => h("div", { class: ["note", "is-cancelled"] }, warning)),
      facts([
        ["Input", shape(version.input_shape)],
        ["Output", shape(version.output_shape)],
        ["Classes", version.classes?.slice(0, 30).join(", ")],
        ["Parameters", count(version.parameters)],
        ["Multiply-adds", `${count(version.multiply_adds)} an image`],
        ["Trained by", version.job ? jobLink(version.job) : null],
        ["Data", version.lineage.data ? h("span", { class: "mono" }, digest(version.lineage.data)) : null],
        ["convq", version.lineage.convq],
        ["File", h("span", { class: "mono" }, digest(version.digest))],
      ]),
      h("div", { class: "row" }, h("button", { type: "button", onclick: () => download({ path: version.links.file, name: `${version.model}-${version.version}.safetensors` }) }, "Download the model"), h("button", { type: "button", onclick: () => download({ path: version.links.onnx, name: `${version.model}-${version.version}.onnx` }).catch((error) => toast(error.message, "failed")) }, "As ONNX")),
    ),
    h("div", { class: ["half", "stack"] }, h("h3", {}, "Layers"), h("ol", { class: "layers" }, version.spec.layers.map((layer) => h("li", {}, h("strong", {}, layer.layer), h("span", { class: ["small", "muted"] }, choices(layer))))), version.lineage.spec ? [h("h3", {}, "Lineage"), h("pre", { class: "tall", tabindex: 0 }, JSON.stringify(version.lineage.spec, null, 2))] : null),
  );
}

function choices(layer) {
  return Object.entries(layer).filter(([name, value]) => name !== "layer" && name !== "name" && value !== null && value !== false).map(([name, value]) => `${name} ${Array.isArray(value) ? value.slice(0, 4).map((one) => (typeof one === "number" ? decimal(one) : one)).join(" × ") : value}`).slice(0, 6).join(", ");
}
