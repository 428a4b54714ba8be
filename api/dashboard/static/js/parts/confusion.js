/** Which classes were taken for which. */

import { h } from "../lib/dom.js";
import { count, percent } from "../lib/format.js";

const MOST_NUMBERS = 24;

/** @param {number[][]} matrix rows are the true classes @param {string[]} classes */
export function confusion(matrix, classes) {
  const legible = classes.length <= MOST_NUMBERS;
  const sums = matrix.map((row) => row.reduce((a, b) => a + b, 0));
  const cell = (value, row, column) => {
    const share = sums[row] ? value / sums[row] : 0;
    const node = h("td", { class: [share > 0.5 && "deep", row === column && "right"], title: `${classes[row]} taken for ${classes[column]}: ${count(value)}, ${percent(share)}` }, legible && value ? count(value) : "");
    node.style.setProperty("--share", share.toFixed(4));
    return node;
  };
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "group", "aria-label": "confusion" },
    h(
      "table",
      { class: ["confusion", legible || "dense"] },
      h("caption", {}, "Rows are what an image is, columns what it was taken for."),
      h("thead", {}, h("tr", {}, h("td", {}), classes.map((name) => h("th", { scope: "col" }, legible ? name : "")))),
      h("tbody", {}, matrix.map((row, at) => h("tr", {}, h("th", { scope: "row" }, legible ? classes[at] : ""), row.map((value, column) => cell(value, at, column))))),
    ),
  );
}
