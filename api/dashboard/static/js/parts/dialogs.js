/** Questions, and short messages that go by themselves. */

import { h } from "../lib/dom.js";

const SHOWN_MILLISECONDS = 6000;
const MOST_TOASTS = 4;

const toasts = h("div", { class: "toasts", role: "status" });

/** Tell something that needs no answer. */
export function toast(text, state = "") {
  if (!toasts.isConnected) document.body.append(toasts);
  const one = h("div", { class: ["toast", state && `is-${state}`] }, text);
  toasts.append(one);
  while (toasts.children.length > MOST_TOASTS) toasts.firstElementChild.remove();
  setTimeout(() => one.remove(), SHOWN_MILLISECONDS);
}

/**
 * Ask before something is done that cannot be undone by a click.
 * @returns {Promise<boolean>}
 */
export function confirm(title, text, verb, { danger = false } = {}) {
  const go = h("button", { class: ["first", danger && "danger"], value: "yes" }, verb);
  const dialog = h(
    "dialog",
    { "aria-label": title },
    h("form", { method: "dialog" }, h("h2", {}, title), h("p", {}, text), h("div", { class: "row" }, h("button", { class: "push", value: "no", autofocus: true }, "Leave it"), go)),
  );
  return asked(dialog).then((answer) => answer === "yes");
}

/** Ask for the API key; resolves to it, or to "" where it is refused. */
export function askForKey(reason) {
  const input = h("input", { type: "password", autocomplete: "off", spellcheck: "false", required: true, autofocus: true, placeholder: "convq_…" });
  const dialog = h(
    "dialog",
    { "aria-label": "API key" },
    h(
      "form",
      { method: "dialog" },
      h("h2", {}, "This service wants an API key"),
      reason ? h("p", { class: "bad" }, reason) : null,
      h("label", { class: "field" }, "Key", input),
      h("p", { class: ["small", "muted"] }, "It is kept in this tab until it is closed, and sent to this service only. convq keys create makes one; what it may do here depends on its scopes."),
      h("div", { class: "row" }, h("button", { class: "push", value: "no", type: "submit", formnovalidate: true }, "Not now"), h("button", { class: "first", value: "yes" }, "Use this key")),
    ),
  );
  return asked(dialog).then((answer) => (answer === "yes" ? input.value.trim() : ""));
}

function asked(dialog) {
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
  });
}
