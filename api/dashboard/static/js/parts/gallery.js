/** The results of a job: small pictures to choose from, and the one that was chosen in full. */

import { bytes, send } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { bytes as size, count, shape } from "../lib/format.js";
import { trouble } from "./small.js";
import { sound } from "./sound.js";
import { isDrawable, isFilm, isSound, ofArtifact, ofResult } from "./source.js";
import { viewer } from "./viewer.js";

const ON_A_PAGE = 24;
const MOST_FAILURES = 100;
const MOST_TEXT = 20_000;
const TEXTS = new Set(["application/json", "text/csv", "text/plain"]);

/**
 * @param {string} job its id
 * @param {{results: object[], failures: object[]}} found
 * @param {Map<string, string>} names of inputs by digest
 */
export function gallery(job, found, names, signal) {
  const stage = h("div", {});
  const strip = h("div", { class: "strip", role: "group", "aria-label": "results" });
  const pages = h("div", { class: "row" });
  let leaving = new AbortController();
  signal.addEventListener("abort", () => leaving.abort(), { once: true });
  let first = 0;

  const choose = async (result) => {
    for (const button of strip.children) button.setAttribute("aria-pressed", String(button.dataset.name === result.name));
    leaving.abort();
    leaving = new AbortController();
    const own = leaving.signal;
    try {
      const shown = await full(job, result, names, own);
      if (!own.aborted) fill(stage, shown);
    } catch (error) {
      if (error.name !== "AbortError") fill(stage, trouble(error));
    }
  };
  const turn = (to) => {
    first = to;
    const some = found.results.slice(first, first + ON_A_PAGE);
    fill(strip, some.map((result) => thumb(job, result, signal, () => choose(result))));
    fill(
      pages,
      found.results.length > ON_A_PAGE
        ? [
            h("span", { class: ["small", "muted"] }, `${count(first + 1)} to ${count(first + some.length)} of ${count(found.results.length)}`),
            h("button", { type: "button", class: "push", disabled: first === 0, onclick: () => turn(first - ON_A_PAGE) }, "Previous"),
            h("button", { type: "button", disabled: first + ON_A_PAGE >= found.results.length, onclick: () => turn(first + ON_A_PAGE) }, "Next"),
          ]
        : null,
    );
    const best = some.find(({ media_type }) => media_type.startsWith("image/")) ?? some.find(isDrawable) ?? some[0];
    if (best) choose(best);
  };
  if (found.results.length) turn(0);
  return h("div", { class: "stack" }, found.results.length > 1 ? [strip, pages] : null, stage, failures(found.failures));
}

async function full(job, result, names, signal) {
  const source = ofResult(job, result);
  const head = h(
    "div",
    { class: "row" },
    h("strong", { class: "clip" }, result.name),
    h("span", { class: ["small", "muted"] }, `${result.media_type}, ${size(result.size)}${result.shape ? `, ${shape(result.shape)} ${result.dtype ?? ""}` : ""}`),
    h("button", { type: "button", class: "push", onclick: () => download(source) }, "Download"),
  );
  if (isSound(source)) {
    const before = result.input ? await ofArtifact(result.input, "input", signal).catch(() => null) : null;
    return h("div", { class: "stack" }, head, h("div", { class: "columns" }, [before && isSound(before) ? before : null, source].filter(Boolean).map((one) => h("div", { class: "half" }, h("h3", {}, one.name), sound(one, signal)))));
  }
  if (isFilm(source)) {
    const film = await small(source, signal);
    film.alt = source.name;
    return h("div", { class: "stack" }, head, h("div", { class: "film" }, film));
  }
  if (isDrawable(source)) {
    const before = result.input ? await ofArtifact(result.input, names.get(result.input) ?? "input", signal).catch(() => null) : null;
    return h("div", { class: "stack" }, head, viewer({ before: before && isDrawable(before) ? before : null, after: source, signal }));
  }
  if (TEXTS.has(result.media_type)) {
    const range = result.size > MOST_TEXT ? { Range: `bytes=0-${MOST_TEXT - 1}` } : {};
    const text = await (await bytes(source.path, null, signal, range)).text();
    return h("div", { class: "stack" }, head, h("pre", { class: "tall", tabindex: 0 }, pretty(text)), result.size > MOST_TEXT ? h("p", { class: "muted" }, "The beginning is shown.") : null);
  }
  return h("div", { class: "stack" }, head);
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2).slice(0, MOST_TEXT);
  } catch {
    return text;
  }
}

function thumb(job, result, signal, onchoose) {
  const picture = h("span", { class: "picture" });
  const button = h("button", { type: "button", "aria-pressed": "false", title: result.name, onclick: onchoose }, picture, h("span", { class: ["small", "clip"] }, result.name));
  button.dataset.name = result.name;
  if (isDrawable(result)) small(ofResult(job, result), signal).then((image) => picture.append(image), () => {});
  else picture.append(h("span", { class: ["small", "muted"] }, result.media_type.split("/").at(-1)));
  return button;
}

/** A picture of anything that holds an array, which the service draws; a film is one already. */
export async function small(source, signal) {
  const response = await bytes(source.path, isFilm(source) ? null : "image/png", signal);
  const url = URL.createObjectURL(await response.blob());
  const image = h("img", { src: url, alt: "" });
  const forget = () => URL.revokeObjectURL(url);
  image.addEventListener("load", forget, { once: true });
  image.addEventListener("error", forget, { once: true });
  return image;
}

/** Save the stored bytes under their name. */
export async function download(source) {
  const response = await send(source.path);
  const url = URL.createObjectURL(await response.blob());
  h("a", { href: url, download: source.name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

function failures(list) {
  if (!list.length) return null;
  return h(
    "div",
    { class: "stack" },
    h("h3", {}, `${count(list.length)} of the inputs failed`),
    h("ul", { class: "plain" }, list.slice(0, MOST_FAILURES).map((one) => h("li", {}, h("strong", {}, one.name), " ", h("span", { class: "bad" }, one.message)))),
    list.length > MOST_FAILURES ? h("p", { class: "muted" }, `The first ${MOST_FAILURES} are shown.`) : null,
  );
}
