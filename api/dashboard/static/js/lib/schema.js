/** Fields of a kind's JSON schema that a form can ask for. */

const OF_EVERY_KIND = new Set(["kind", "inputs", "label", "priority"]);

/**
 * The fields that are one number, word or choice; all others are left to JSON.
 * @param {object} schema of a kind
 * @returns {{name: string, type: string, choices: ?Array, least: ?number, most: ?number, empty: boolean, fallback: *, about: string}[]}
 */
export function simpleFields(schema) {
  const all = Object.entries(schema.properties).filter(([name]) => !OF_EVERY_KIND.has(name));
  return all.map(([name, facts]) => simple(name, facts)).filter(Boolean);
}

function simple(name, facts) {
  const others = facts.anyOf?.filter((one) => one.type !== "null") ?? [facts];
  if (others.length !== 1 || facts.pattern) return null;
  const [{ type, enum: choices = null, minimum, maximum, pattern }] = others;
  if (pattern || !["string", "number", "integer", "boolean"].includes(type) || (type === "string" && !choices)) return null;
  return { name, type, choices, least: minimum ?? null, most: maximum ?? null, empty: others[0] !== facts, fallback: facts.default ?? null, about: facts.description ?? "" };
}
