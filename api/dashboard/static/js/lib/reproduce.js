/** The lines with which a job can be submitted again, in a shell and in Python. */

const WIDTH = 80;
const JSON_WORDS = { null: "null", true: "true", false: "false" };
const PYTHON_WORDS = { null: "None", true: "True", false: "False" };

/** A body without the fields that have their defaults by its kind's JSON schema. */
export function bare(body, schema) {
  const isDefault = (name, value) => JSON.stringify(schema?.properties?.[name]?.default ?? null) === JSON.stringify(value);
  return Object.fromEntries(Object.entries(body).filter(([name, value]) => name === "kind" || !isDefault(name, value)));
}

/** @param {object} body of POST /v1/jobs */
export function curl(body, origin, withKey) {
  const text = written(body, 0, JSON_WORDS).replaceAll("'", "'\\''");
  const key = withKey ? ' -H "Authorization: Bearer $CONVQ_API_KEY"' : "";
  return `curl -sS ${origin}/v1/jobs -H 'Content-Type: application/json'${key} -d '${text}'`;
}

/** @param {object} body of POST /v1/jobs */
export function python(body, origin) {
  const { kind, ...fields } = body;
  const lines = Object.entries(fields).map(([name, value]) => `        ${name}=${written(value, 8, PYTHON_WORDS)},`);
  return ["import convq", "", `with convq.Client(${JSON.stringify(origin)}) as client:`, "    job = client.submit(", `        ${JSON.stringify(kind)},`, ...lines, "    )", "    print(client.wait(job).state)"].join("\n");
}

/** A value on one line where it fits, else one part a line. */
function written(value, indent, words) {
  if (value === null || typeof value === "boolean") return words[String(value)];
  if (typeof value !== "object") return JSON.stringify(value);
  const isList = Array.isArray(value);
  const parts = isList ? value.map((one) => written(one, indent + 2, words)) : Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}: ${written(one, indent + 2, words)}`);
  const [open, close] = isList ? "[]" : "{}";
  const short = `${open}${parts.join(", ")}${close}`;
  const numbers = isList && value.every((one) => typeof one === "number");
  if (numbers || (short.length < WIDTH && !short.includes("\n"))) return short;
  const space = " ".repeat(indent + 2);
  return `${open}\n${parts.map((part) => space + part).join(",\n")}\n${" ".repeat(indent)}${close}`;
}
