/** The sample of a kind of job: its files in the store, and the body that names them. */

import { upload } from "../lib/api.js";
import { asset } from "../lib/samples.js";

/** A body with the artifacts where they are named: "train.data" is the field data of the field train. */
export function within(body, named) {
  for (const [path, value] of Object.entries(named)) {
    const parts = path.split(".");
    const last = parts.pop();
    parts.reduce((one, part) => (one[part] ??= {}), body)[last] = value;
  }
  return body;
}

/** Upload the files of a sample; the service keeps the same bytes once, however often. */
export async function uploaded({ files }, signal) {
  const given = { named: {}, names: new Map() };
  const artifact = async (file) => {
    const response = await fetch(asset(file), { signal });
    const { digest } = await upload(await response.blob(), signal);
    given.names.set(digest, file);
    return digest;
  };
  for (const [field, wanted] of Object.entries(files)) {
    if (!Array.isArray(wanted)) given.named[field] = await artifact(wanted);
    else if (wanted.length) given.named[field] = await Promise.all(wanted.map(async (file) => ({ artifact: await artifact(file), name: file })));
  }
  return given;
}
