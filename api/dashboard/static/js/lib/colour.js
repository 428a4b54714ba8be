/** Colour maps: from 0 to 1 to red, green and blue. */

// Stops of viridis and magma (Smith and van der Walt, matplotlib), and RdBu reversed (ColorBrewer).
const STOPS = {
  grey: ["000000", "ffffff"],
  viridis: ["440154", "482878", "3e4989", "31688e", "26828e", "1f9e89", "35b779", "6ece58", "b5de2b", "fde725"],
  magma: ["000004", "180f3d", "440f76", "721f81", "9e2f7f", "cd4071", "f1605d", "fd9668", "feca8d", "fcfdbf"],
  diverging: ["053061", "3783bb", "a7d0e4", "f7f6f6", "f7b799", "c94741", "67001f"],
};

export const COLOUR_MAPS = Object.keys(STOPS);

const NOT_A_NUMBER = [255, 0, 255];
const tables = new Map();

/** Return 256 colours as [r, g, b]. */
export function table(name) {
  if (!tables.has(name)) {
    const stops = STOPS[name].map((text) => [0, 2, 4].map((at) => Number.parseInt(text.slice(at, at + 2), 16)));
    tables.set(name, Array.from({ length: 256 }, (_, level) => {
      const at = (level / 255) * (stops.length - 1);
      const low = Math.min(stops.length - 2, Math.floor(at));
      return stops[low].map((from, channel) => Math.round(from + (at - low) * (stops[low + 1][channel] - from)));
    }));
  }
  return tables.get(name);
}

/** Least and largest finite value. */
export function extent(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low && value > -Infinity) low = value;
    if (value > high && value < Infinity) high = value;
  }
  return low <= high ? [low, high] : [0, 0];
}

/**
 * Paint values into a canvas of their own size.
 * @param {ArrayLike<number>} values row by row
 */
export function paint(values, width, height, map = "grey", limits = extent(values)) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const colours = table(map);
  const [low, high] = map === "diverging" ? symmetric(limits) : limits;
  const factor = high > low ? 255 / (high - low) : 0;
  for (let at = 0; at < width * height; at += 1) {
    const value = values[at];
    const level = Math.max(0, Math.min(255, Math.round((value - low) * factor)));
    const colour = Number.isNaN(value) ? NOT_A_NUMBER : colours[level] ?? colours[0];
    image.data.set(colour, 4 * at);
    image.data[4 * at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Zero is in the middle of a diverging map. */
function symmetric([low, high]) {
  const most = Math.max(Math.abs(low), Math.abs(high)) || 1;
  return [-most, most];
}
