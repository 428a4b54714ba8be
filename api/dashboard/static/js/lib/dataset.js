/** Single images of a data set that is an .npz archive of x and y. */

import { bytes, send } from "./api.js";
import { member, parseNpy } from "./npy.js";

const MOST_BYTES = 64 << 20;

/**
 * Open a data set, or return null where it is of another sort or too large for a page.
 * @param {string} digest
 * @param {number[]} shape of one image, channels first
 * @returns {Promise<?(index: number) => Float64Array[]>} the planes of an image
 */
export async function open(digest, shape, signal) {
  const path = `/v1/artifacts/${digest}`;
  const { headers } = await send(path, { method: "HEAD", signal });
  if (headers.get("Content-Type") !== "application/x-npz" || Number(headers.get("Content-Length")) > MOST_BYTES) return null;
  const archive = await (await bytes(path, null, signal)).arrayBuffer();
  const file = await member(archive, "x.npy");
  const array = file && parseNpy(file);
  if (!array || array.fortran || shape.length !== 3) return null;
  const [channels, height, width] = shape;
  const strides = layout(array.shape, shape);
  if (!strides) return null;
  const [image, channel, row, column] = strides;
  return (index) =>
    Array.from({ length: channels }, (_, c) => Float64Array.from({ length: height * width }, (__, at) => array.at(index * image + c * channel + Math.floor(at / width) * row + (at % width) * column)));
}

function layout(stored, [channels, height, width]) {
  const own = stored.slice(1).join();
  if (own === [channels, height, width].join()) return [channels * height * width, height * width, width, 1];
  if (own === [height, width, channels].join()) return [channels * height * width, 1, width * channels, channels];
  if (channels === 1 && own === [height, width].join()) return [height * width, 0, width, 1];
  return null;
}
