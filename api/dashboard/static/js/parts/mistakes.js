/** The images that a net was most wrong about. */

import { paint } from "../lib/colour.js";
import { h } from "../lib/dom.js";
import { percent } from "../lib/format.js";

/**
 * @param {object[]} mistakes image, label, taken_for, probability
 * @param {string[]} classes
 * @param {?((index: number) => Float64Array[])} planes of an image; null where they are not at hand
 */
export function mistakes(mistakes, classes, planes, width, height) {
  return h(
    "ul",
    { class: "mistakes" },
    mistakes.map((one) =>
      h(
        "li",
        {},
        planes ? drawn(planes(one.image), width, height) : null,
        h("strong", {}, classes[one.label]),
        h("span", { class: ["small", "bad"] }, `taken for ${classes[one.taken_for]}`),
        h("span", { class: ["small", "muted"] }, `${percent(one.probability)} · image ${one.image}`),
      ),
    ),
  );
}

function drawn(planes, width, height) {
  const canvas = planes.length === 3 ? coloured(planes, width, height) : paint(planes[0], width, height);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "the image");
  return canvas;
}

function coloured(planes, width, height) {
  const canvas = h("canvas", { width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  let most = 1;
  for (const plane of planes) for (const value of plane) most = Math.max(most, value);
  for (let at = 0; at < width * height; at += 1) {
    planes.forEach((plane, channel) => (image.data[4 * at + channel] = (255 * plane[at]) / most));
    image.data[4 * at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
