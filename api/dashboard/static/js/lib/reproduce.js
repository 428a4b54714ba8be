/** The lines with which a job can be submitted again, in a shell and in Python. */

/** @param {object} body of POST /v1/jobs */
export function curl(body, origin, withKey) {
  const text = JSON.stringify(body, null, 2).replaceAll("'", "'\\''");
  const key = withKey ? ` -H "Authorization: Bearer $CONVQ_API_KEY"` : "";
  return `curl -sS ${origin}/v1/jobs -H 'Content-Type: application/json'${key} -d '${text}'`;
}

/** @param {object} body of POST /v1/jobs */
export function python(body, origin) {
  const { kind, ...fields } = body;
  const lines = Object.entries(fields).map(([name, value]) => `        ${name}=${literal(value, 8)},`);
  const first = kind === "convolve" ? [] : [`        ${JSON.stringify(kind)},`];
  return ["import convq", "", `with convq.Client(${JSON.stringify(origin)}) as client:`, "    job = client.submit(", ...first, ...lines, "    )", "    print(client.wait(job).state)"].join("\n");
}

function literal(value, indent) {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const space = " ".repeat(indent + 4);
  const parts = Array.isArray(value) ? value.map((one) => literal(one, indent + 4)) : Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}: ${literal(one, indent + 4)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const short = `${open}${parts.join(", ")}${close}`;
  if (short.length < 80 && !short.includes("\n")) return short;
  return `${open}\n${parts.map((part) => `${space}${part},\n`).join("")}${" ".repeat(indent)}${close}`;
}
