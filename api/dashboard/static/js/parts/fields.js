/** A form for what a kind of job can be told: simple fields, and JSON for all others. */

import { fill, h } from "../lib/dom.js";
import { simpleFields } from "../lib/schema.js";

/**
 * @param {object} schema of the kind
 * @param {object} given fields that are not as usual at first
 * @param {() => void} onchange
 */
export function fieldsOf(schema, given, onchange) {
  const asked = simpleFields(schema).map((facts) => field(facts, given[facts.name] ?? facts.fallback, onchange));
  const names = new Set(asked.map(({ name }) => name));
  const rest = Object.fromEntries(Object.entries(given).filter(([name]) => !names.has(name)));
  const wrong = h("p", { class: ["bad", "small"], role: "alert" });
  const text = h("textarea", { rows: 5, spellcheck: "false", oninput: () => onchange() });
  text.value = `{\n${Object.entries(rest).map(([name, value]) => ` ${JSON.stringify(name)}: ${JSON.stringify(value)}`).join(",\n")}\n}`;
  const others = Object.keys(schema.properties).filter((name) => !names.has(name) && !["kind", "inputs", "label", "priority"].includes(name));
  const more = others.length ? h("div", {}, h("label", { class: "field" }, `More, as JSON: ${others.join(", ")}`, text), wrong) : null;
  const node = h("div", { class: "stack" }, h("div", { class: "fields" }, asked.map((one) => one.node)), more);
  /** The fields that are not as usual, or null while the JSON is none. */
  node.value = () => {
    let typed;
    try {
      typed = JSON.parse(text.value || "{}");
    } catch (error) {
      fill(wrong, error.message);
      return null;
    }
    fill(wrong);
    return { ...typed, ...Object.fromEntries(asked.map(({ name, value, fallback }) => [name, value(), fallback]).filter(([, now, usual]) => now !== usual).map(([name, now]) => [name, now])) };
  };
  return node;
}

function field({ name, type, choices, least, most, empty, fallback, about }, value, onchange) {
  const input = choices
    ? h("select", { onchange }, empty ? h("option", { value: "" }, "–") : null, choices.map((one) => h("option", { value: one }, one)))
    : type === "boolean"
      ? h("input", { type: "checkbox", onchange })
      : h("input", { type: "number", step: type === "integer" ? 1 : "any", min: least, max: most, oninput: onchange });
  if (type === "boolean") input.checked = Boolean(value);
  else input.value = value ?? "";
  const read = () => {
    if (type === "boolean") return input.checked;
    if (input.value === "") return null;
    return choices ? input.value : Number(input.value);
  };
  return { name, fallback, value: read, node: h("label", { class: "field", title: about }, name, input) };
}
