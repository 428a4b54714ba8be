/** A sound: to hear, its waveform and its spectrogram. */

import { bytes } from "../lib/api.js";
import { paint } from "../lib/colour.js";
import { fill, h } from "../lib/dom.js";
import { duration } from "../lib/format.js";
import { spectrogram } from "../lib/fourier.js";
import { parseNpy } from "../lib/npy.js";
import { trouble } from "./small.js";

const COLUMNS = 640;
const WAVE_HEIGHT = 120;
const WINDOW = 512;
const QUIETEST = 90;
const MOST_SAMPLES = 30_000_000;

/** Draw a sound. @param {import("./source.js").Source} source */
export function sound(source, signal) {
  const node = h("div", { class: "sound" }, h("p", { class: "muted" }, "reading the sound …"));
  start(source, signal, node).catch((error) => {
    if (error.name !== "AbortError") fill(node, trouble(error));
  });
  return node;
}

async function start(source, signal, node) {
  if (source.shape[0] > MOST_SAMPLES) {
    fill(node, h("p", { class: "muted" }, "The sound is too long to be drawn here."));
    return;
  }
  const stored = await (await bytes(source.path, null, signal)).arrayBuffer();
  const array = parseNpy(new Uint8Array(await (await bytes(source.path, "application/x-npy", signal)).arrayBuffer()));
  const rate = sampleRate(stored);
  const [length, channels = 1] = array.shape;
  const step = array.fortran ? 1 : channels;
  const samples = Float32Array.from({ length }, (_, at) => array.at(at * step));
  signal.throwIfAborted();
  const url = URL.createObjectURL(new Blob([stored], { type: "audio/wav" }));
  const player = h("audio", { controls: true, src: url, "aria-label": source.name });
  const forget = () => {
    // Else a player that has not read all of it yet would complain.
    player.removeAttribute("src");
    player.load();
    URL.revokeObjectURL(url);
  };
  signal.addEventListener("abort", forget, { once: true });
  const loud = spectrogram(samples, COLUMNS, WINDOW);
  fill(
    node,
    player,
    labelled(waveform(samples), `waveform of ${source.name}`),
    labelled(turned(loud), `spectrogram of ${source.name}`),
    h("p", { class: ["small", "muted"] }, `${duration(length / rate)}, ${rate} Hz, ${channels === 1 ? "mono" : `${channels} channels, the first is drawn`}; frequencies from 0 to ${rate / 2} Hz, ${QUIETEST} dB`),
  );
}

function labelled(canvas, text) {
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", text);
  return canvas;
}

/** From the chunk `fmt ` of a RIFF file. */
function sampleRate(data) {
  const view = new DataView(data);
  let at = 12;
  while (at + 16 <= view.byteLength) {
    if (view.getUint32(at) === 0x666d7420) return view.getUint32(at + 12, true);
    at += 8 + view.getUint32(at + 4, true) + (view.getUint32(at + 4, true) % 2);
  }
  return 1;
}

function waveform(samples) {
  const canvas = document.createElement("canvas");
  canvas.width = COLUMNS;
  canvas.height = WAVE_HEIGHT;
  const context = canvas.getContext("2d");
  let most = 1e-12;
  for (const value of samples) most = Math.max(most, Math.abs(value));
  context.fillStyle = "#3b82c4";
  for (let column = 0; column < COLUMNS; column += 1) {
    const from = Math.floor((column * samples.length) / COLUMNS);
    const to = Math.max(from + 1, Math.floor(((column + 1) * samples.length) / COLUMNS));
    let low = Infinity;
    let high = -Infinity;
    for (let at = from; at < to; at += 1) {
      low = Math.min(low, samples[at] ?? 0);
      high = Math.max(high, samples[at] ?? 0);
    }
    const top = (0.5 - high / most / 2) * WAVE_HEIGHT;
    const bottom = (0.5 - low / most / 2) * WAVE_HEIGHT;
    context.fillRect(column, top, 1, Math.max(1, bottom - top));
  }
  return canvas;
}

/** High frequencies at the top. */
function turned(loud) {
  const rows = WINDOW / 2;
  const values = new Float32Array(loud.length);
  let most = -Infinity;
  for (const value of loud) most = Math.max(most, value);
  for (let column = 0; column < COLUMNS; column += 1) {
    for (let row = 0; row < rows; row += 1) values[(rows - 1 - row) * COLUMNS + column] = loud[column * rows + row];
  }
  return paint(values, COLUMNS, rows, "magma", [most - QUIETEST, most]);
}
