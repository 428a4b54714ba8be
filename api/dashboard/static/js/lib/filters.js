/** Learned kernels of a first convolution as events tell them, and what they make of an image. */

/**
 * @param {{shape: number[], scale: number, values: string}} told base64 of signed bytes, which
 *   times the scale are the taps; shape is (filters, channels, height, width)
 */
export function unpack({ shape, scale, values }) {
  const taps = Float32Array.from(new Int8Array(Uint8Array.from(atob(values), (letter) => letter.charCodeAt(0)).buffer), (level) => level * scale);
  return { shape, taps };
}

/** The first channel's taps of one filter, or their mean over all channels. */
export function tile({ shape: [, channels, height, width], taps }, filter) {
  const size = height * width;
  const found = new Float32Array(size);
  for (let channel = 0; channel < channels; channel += 1) {
    for (let at = 0; at < size; at += 1) found[at] += taps[(filter * channels + channel) * size + at] / channels;
  }
  return found;
}

/** Correlate an image with one filter, where it fits wholly. */
export function featureMap({ shape: [, channels, kh, kw], taps }, filter, planes, width, height) {
  const w = width - kw + 1;
  const out = new Float32Array(w * (height - kh + 1));
  for (let y = 0; y <= height - kh; y += 1) {
    for (let x = 0; x < w; x += 1) {
      let sum = 0;
      for (let channel = 0; channel < channels; channel += 1) {
        for (let row = 0; row < kh; row += 1) {
          for (let column = 0; column < kw; column += 1) {
            sum += taps[((filter * channels + channel) * kh + row) * kw + column] * planes[channel][(y + row) * width + x + column];
          }
        }
      }
      out[y * w + x] = sum;
    }
  }
  return { values: out, width: w, height: height - kh + 1 };
}
