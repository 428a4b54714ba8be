/** Every kind of job: what it does, a picture of it, and where to try it. */

import { get } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { icon } from "../lib/icons.js";
import { to } from "../lib/router.js";
import { asset, PICTURED, SAMPLES } from "../lib/samples.js";

export async function show({ root, signal }) {
  const { kinds } = await get("/v1/kinds", signal);
  const [pictured, others] = [true, false].map((wanted) => kinds.filter(({ name }) => PICTURED.has(name) === wanted));
  fill(root, h("ul", { class: "exhibits" }, [...pictured, ...others].map(exhibit)));
}

function exhibit({ name, summary }) {
  const picture = PICTURED.has(name)
    ? h("img", { src: asset(`${name}.webp`), alt: "", loading: "lazy" })
    : h("span", { class: "no-picture" }, icon(name in SAMPLES ? "training" : "models"));
  return h("li", { class: "card" }, h("a", { href: to("gallery", [name]) }, h("span", { class: "picture" }, picture), h("strong", {}, name), h("span", { class: "muted" }, summary), h("span", { class: ["small", "try"] }, name in SAMPLES ? "Try it" : "Open")));
}
