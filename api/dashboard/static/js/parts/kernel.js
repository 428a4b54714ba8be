/** A kernel: one of the presets with its parameters, or numbers that are typed. */

import { paint } from "../lib/colour.js";
import { fill, h } from "../lib/dom.js";
import { shape } from "../lib/format.js";
import { choice } from "./small.js";

const TYPED = "0 -1 0\n-1 5 -1\n0 -1 0";

/**
 * @param {object[]} presets as GET /v1/kinds tells them
 * @param {() => void} onchange
 */
export function kernelForm(presets, onchange) {
  let how = "preset";
  let preset = presets.find((one) => one.name === "gaussian") ?? presets[0];
  const values = new Map();
  const picture = h("div", { class: "kernel-picture" });
  const inputs = h("div", { class: "fields" });
  const summary = h("p", { class: ["small", "muted"] });
  const select = h("select", { onchange: () => pick(select.value) }, presets.map(({ name }) => h("option", { value: name }, name)));
  select.value = preset.name;
  const text = h("textarea", { rows: 6, spellcheck: "false", oninput: () => typed() });
  text.value = TYPED;
  const wrong = h("p", { class: ["bad", "small"], role: "alert" });
  const own = h("div", { class: "stack" }, h("label", { class: "field" }, "One row a line, numbers apart by spaces or commas", text), wrong);
  const chosen = h("div", { class: "stack" }, h("label", { class: "field" }, "Preset", select), summary, inputs);
  const body = h("div", {});
  const node = h("div", { class: "stack" }, choice("where the kernel comes from", [["preset", "Preset"], ["own", "Type it"]], how, (value) => {
    how = value;
    lay();
    onchange();
  }), body, picture);

  function lay() {
    fill(body, how === "preset" ? chosen : own);
    if (how === "preset") drawPreset();
    else drawTyped();
  }
  function pick(name) {
    preset = presets.find((one) => one.name === name);
    values.clear();
    drawPreset();
    onchange();
  }
  function drawPreset() {
    fill(summary, `${preset.summary}${preset.combine ? ` The ${preset.combine} of its outputs is shown.` : ""}`);
    const properties = Object.entries(preset.parameters.properties).filter(([name]) => name !== "preset");
    fill(inputs, properties.map(([name, facts]) => parameter(name, facts, values, onchange)));
    draw(preset.array);
  }
  function typed() {
    drawTyped();
    onchange();
  }
  function drawTyped() {
    try {
      const rows = parse(text.value);
      fill(wrong);
      draw([rows]);
    } catch (error) {
      fill(wrong, error.message);
      fill(picture);
    }
  }
  function draw(stack) {
    fill(picture, stack.slice(0, 4).map((rows) => {
      const canvas = paint(rows.flat(), rows[0].length, rows.length, "diverging");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `kernel of ${shape([rows.length, rows[0].length])} taps`);
      return canvas;
    }), h("span", { class: ["small", "muted"] }, how === "preset" && values.size ? "at its defaults" : shape([stack[0].length, stack[0][0].length])));
  }

  /** The kernel as a job has it, or null while what is typed is none. */
  node.value = () => {
    if (how === "preset") return { preset: preset.name, ...Object.fromEntries(values) };
    try {
      return { values: parse(text.value) };
    } catch {
      return null;
    }
  };
  node.named = () => (how === "preset" ? preset.name : "a typed kernel");
  lay();
  return node;
}

function parse(text) {
  const rows = text.trim().split("\n").map((line) => line.trim().split(/[\s,;]+/).filter(Boolean).map(Number));
  if (!rows[0].length || rows.some((row) => row.some((tap) => !Number.isFinite(tap)))) throw new Error("A kernel is made of numbers.");
  if (rows.some((row) => row.length !== rows[0].length)) throw new Error("All rows need the same number of taps.");
  return rows;
}

function parameter(name, facts, values, onchange) {
  const one = facts.anyOf?.find((part) => part.type !== "null") ?? facts;
  const set = (value) => {
    if (value === "" || value === null) values.delete(name);
    else values.set(name, value);
    onchange();
  };
  if (one.enum) {
    const select = h("select", { onchange: () => set(select.value) }, one.enum.map((value) => h("option", { value }, value)));
    select.value = facts.default ?? one.enum[0];
    return h("label", { class: "field", title: facts.description }, name, select);
  }
  if (one.type === "boolean") {
    const check = h("input", { type: "checkbox", checked: facts.default === true, onchange: () => set(check.checked) });
    return h("label", { class: "field", title: facts.description }, name, check);
  }
  const input = h("input", { type: "number", step: one.type === "integer" ? 1 : "any", min: one.minimum ?? one.exclusiveMinimum, max: one.maximum, value: facts.default ?? "", oninput: () => set(input.value === "" ? "" : Number(input.value)) });
  return h("label", { class: "field", title: facts.description }, name, input);
}
