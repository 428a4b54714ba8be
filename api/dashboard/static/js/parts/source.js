/** What is in an artifact, as something that can be drawn. */

import { bytes, send } from "../lib/api.js";
import { extent, paint } from "../lib/colour.js";
import { parseNpy } from "../lib/npy.js";

const DRAWN_BY_BROWSERS = new Set(["image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp"]);
const FILMS = new Set(["image/webp", "image/gif"]);
const MOST_VALUES = 16_000_000;
const MOST_ENCODED = 128 << 20;

/**
 * @typedef {object} Source
 * @property {string} path of the bytes
 * @property {string} name
 * @property {string} media_type
 * @property {number[]|null} shape
 * @property {string|null} dtype
 * @property {number} [size]
 */

/** Look up what an artifact is. @returns {Promise<Source>} */
export async function ofArtifact(digest, name, signal) {
  const path = `/v1/artifacts/${digest}`;
  const { headers } = await send(path, { method: "HEAD", signal });
  return {
    path,
    name,
    media_type: headers.get("Content-Type"),
    size: Number(headers.get("Content-Length")),
    shape: headers.get("Convq-Shape")?.split(",").filter(Boolean).map(Number) ?? null,
    dtype: headers.get("Convq-Dtype"),
  };
}

/** @returns {Source} */
export function ofResult(job, result) {
  return { ...result, path: `/v1/jobs/${job}/results/${encodeURIComponent(result.name)}` };
}

export function isSound(source) {
  return source.media_type === "audio/wav";
}

/** Whether the numbers themselves can be shown, by a colour map. */
export function hasValues(source) {
  const { shape, media_type } = source;
  if (!shape || shape.length < 2 || media_type.startsWith("image/") || isSound(source)) return false;
  return !isColour(shape) && shape.reduce((a, b) => a * b, 1) <= MOST_VALUES;
}

/** Whether anything can be drawn at all. */
export function isDrawable(source) {
  return Boolean(source.shape) || DRAWN_BY_BROWSERS.has(source.media_type);
}

/** Whether it is a picture that moves: to the service it holds no array. */
export function isFilm(source) {
  return !source.shape && FILMS.has(source.media_type);
}

/** Whether one can lie over the other: pictures have their height and width first, stacks last. */
export function isAlike(one, other) {
  const [a, b] = [one.shape ?? [], other.shape ?? []];
  return a.length > 1 && [a.slice(0, 2), a.slice(-2)].some((sizes) => [b.slice(0, 2), b.slice(-2)].some((others) => String(sizes) === String(others)));
}

function isColour(shape) {
  return shape.length === 3 && [3, 4].includes(shape[2]) && shape[0] > 4 && shape[1] > 4;
}

/**
 * Fetch what is to be drawn.
 * @returns {Promise<{width: number, height: number, planes: number, limits: ?[number, number],
 *   draw: (plane: number, map: string) => HTMLCanvasElement,
 *   at: ?((plane: number, x: number, y: number) => number)}>}
 */
export async function load(source, signal) {
  return hasValues(source) ? values(source, signal) : picture(source, signal);
}

async function values(source, signal) {
  const response = await bytes(source.path, "application/x-npy", signal);
  const array = parseNpy(new Uint8Array(await response.arrayBuffer()));
  const [height, width] = array.shape.slice(-2);
  const planes = array.shape.slice(0, -2).reduce((a, b) => a * b, 1);
  const index = array.fortran
    ? (plane, row, column) => fortranIndex(array.shape, plane, row, column)
    : (plane, row, column) => (plane * height + row) * width + column;
  const plane = (number) => {
    const found = new Float64Array(width * height);
    for (let row = 0; row < height; row += 1) {
      for (let column = 0; column < width; column += 1) found[row * width + column] = array.at(index(number, row, column));
    }
    return found;
  };
  const first = plane(0);
  return {
    width,
    height,
    planes,
    limits: extent(first),
    draw: (number, map) => paint(number ? plane(number) : first, width, height, map),
    at: (number, x, y) => array.at(index(number, y, x)),
  };
}

function fortranIndex(shape, plane, row, column) {
  const sizes = shape.slice(0, -2);
  const place = sizes.reduceRight(({ left, found }, size) => ({ left: Math.floor(left / size), found: [left % size, ...found] }), { left: plane, found: [] }).found;
  let at = 0;
  let step = 1;
  for (const [axis, value] of [...place, row, column].entries()) {
    at += value * step;
    step *= shape[axis];
  }
  return at;
}

async function picture(source, signal) {
  const stored = DRAWN_BY_BROWSERS.has(source.media_type) && (source.size ?? 0) <= MOST_ENCODED;
  const response = await bytes(source.path, stored ? null : "image/png", signal);
  const image = await createImageBitmap(await response.blob());
  const draw = () => {
    const canvas = document.createElement("canvas");
    canvas.width = image.width;
    canvas.height = image.height;
    canvas.getContext("2d").drawImage(image, 0, 0);
    return canvas;
  };
  return { width: image.width, height: image.height, planes: 1, limits: null, draw, at: null };
}
