/** The page: its frame, the key, and the view that the address names. */

import { key, signals } from "./lib/api.js";
import { fill, h } from "./lib/dom.js";
import { icon } from "./lib/icons.js";
import { route, to } from "./lib/router.js";
import { askForKey } from "./parts/dialogs.js";
import { trouble } from "./parts/small.js";
import * as bench from "./views/bench.js";
import * as gallery from "./views/gallery.js";
import * as job from "./views/job.js";
import * as jobs from "./views/jobs.js";
import * as kind from "./views/kind.js";
import * as model from "./views/model.js";
import * as models from "./views/models.js";
import * as operate from "./views/operate.js";
import * as overview from "./views/overview.js";
import * as training from "./views/training.js";
import * as trainings from "./views/trainings.js";

const VIEWS = [
  { name: "overview", title: "Overview", list: overview },
  { name: "jobs", title: "Jobs", list: jobs, one: job },
  { name: "training", title: "Training", list: trainings, one: training },
  { name: "bench", title: "Bench", list: bench },
  { name: "gallery", title: "Gallery", list: gallery, one: kind },
  { name: "models", title: "Models", list: models, one: model },
  { name: "operate", title: "Operate", list: operate },
];
const THEMES = ["auto", "light", "dark"];
const THEME = "convq-theme";

const heading = h("h1", { tabindex: -1 });
const tools = h("div", { class: ["row", "push"] });
const main = h("main", { id: "main", tabindex: -1 });
const away = h("div", { class: ["note", "is-failed"], role: "alert", hidden: true }, "The service does not answer. This page asks again by itself.");
const links = VIEWS.map(({ name, title }) => h("a", { href: to(name) }, icon(name), title));

function frame() {
  const skip = (event) => {
    event.preventDefault();
    main.focus();
  };
  const themeButton = h("button", { class: "plain", type: "button", onclick: nextTheme }, icon("theme"));
  const keyButton = h("button", { class: "plain", type: "button", "aria-label": "API key", title: "API key", onclick: () => enterKey("") }, icon("key"));
  const named = () => {
    const now = `Theme: ${theme()}`;
    themeButton.setAttribute("aria-label", now);
    themeButton.title = now;
  };
  function nextTheme() {
    setTheme(THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);
    named();
  }
  named();
  fill(
    document.body,
    h("a", { class: "skip", href: "#main", onclick: skip }, "Skip to content"),
    h("header", { class: "top" }, heading, tools, keyButton, themeButton),
    h(
      "div",
      { class: "side" },
      h("a", { class: "brand", href: "#/" }, h("img", { src: "/ui/icon.svg", alt: "" }), "convq"),
      h("nav", { "aria-label": "Views" }, links),
      h("div", { class: "foot" }, h("a", { href: "/docs" }, "HTTP API")),
    ),
    main,
  );
}

function theme() {
  const stored = localStorage.getItem(THEME);
  return THEMES.includes(stored) ? stored : "auto";
}

function setTheme(name) {
  localStorage.setItem(THEME, name);
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  dispatchEvent(new Event("theme"));
}

async function show({ name, parts, query }, signal) {
  const view = VIEWS.find((one) => one.name === name) ?? VIEWS[0];
  const module = parts.length && view.one ? view.one : view.list;
  VIEWS.forEach((one, at) => (one === view ? links[at].setAttribute("aria-current", "page") : links[at].removeAttribute("aria-current")));
  setTitle(view.title);
  fill(tools);
  const root = h("div", { class: "stack" });
  fill(main, away, root);
  try {
    await module.show({ root, tools, parts, query, signal, setTitle });
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted) return;
    if (error.status === undefined) throw error;
    root.prepend(trouble(error));
  }
}

function setTitle(text) {
  heading.textContent = text;
  document.title = `${text} · convq`;
}

let asking = false;

async function enterKey(reason) {
  if (asking) return;
  asking = true;
  const given = await askForKey(reason);
  asking = false;
  if (!given) return;
  key.set(given);
  again();
}

setTheme(theme());
frame();
signals.addEventListener("key", () => enterKey(key.get() ? "The service does not take the key that was given." : ""));
signals.addEventListener("down", () => (away.hidden = false));
signals.addEventListener("up", () => (away.hidden = true));
const again = route(show);
addEventListener("hashchange", () => {
  heading.focus();
  scrollTo(0, 0);
});
