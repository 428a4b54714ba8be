/** Line icons, 24 units wide. */

import { s } from "./dom.js";

const PATHS = {
  overview: ["M4 13h6V4H4z", "M14 20h6v-9h-6z", "M4 20h6v-3H4z", "M14 7h6V4h-6z"],
  jobs: ["M8 6h12", "M8 12h12", "M8 18h12", "M4 6h.01", "M4 12h.01", "M4 18h.01"],
  training: ["M4 4v16h16", "M7 8c2 7 5 8 12 8.5"],
  bench: ["M4 4h16v16H4z", "M4 10h16", "M10 4v16", "M10 10h5v5h-5z"],
  gallery: ["M4 5h16v14H4z", "M4 16l5-5 4 4 3-3 4 4", "M15.5 9h.01"],
  models: ["M12 3l8 4.500v9L12 21l-8-4.500v-9z", "M12 12l8-4.5", "M12 12v9", "M12 12L4 7.5"],
  operate: ["M5 7h9", "M18 7h1", "M16 5v4", "M5 17h1", "M10 17h9", "M8 15v4"],
  theme: ["M12 4a8 8 0 1 0 0 16z", "M12 4a8 8 0 0 1 0 16"],
  key: ["M8 15a4 4 0 1 1 3.5-2.200L20 21", "M16 17l2-2"],
};

export function icon(name) {
  return s("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, PATHS[name].map((d) => s("path", { d })));
}
