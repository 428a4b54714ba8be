/** Spectra to look at: of sound over time, and of pictures. */

/** Transform in place; the length is a power of two (Cooley and Tukey, 1965). */
export function fft(re, im) {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i += 1) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j], re[i]];
      [im[i], im[j]] = [im[j], im[i]];
    }
  }
  for (let size = 2; size <= n; size <<= 1) {
    const half = size >> 1;
    for (let k = 0; k < half; k += 1) {
      const angle = (-2 * Math.PI * k) / size;
      const c = Math.cos(angle);
      const d = Math.sin(angle);
      for (let a = k; a < n; a += size) {
        const b = a + half;
        const x = re[b] * c - im[b] * d;
        const y = re[b] * d + im[b] * c;
        re[b] = re[a] - x;
        im[b] = im[a] - y;
        re[a] += x;
        im[a] += y;
      }
    }
  }
}

/** Decibels below the loudest of a sound: `columns` moments of `size / 2` frequencies. */
export function spectrogram(samples, columns, size = 512) {
  const shown = new Float32Array(columns * (size / 2));
  const window = Float64Array.from({ length: size }, (_, at) => 0.5 - 0.5 * Math.cos((2 * Math.PI * at) / size));
  const re = new Float64Array(size);
  const im = new Float64Array(size);
  for (let column = 0; column < columns; column += 1) {
    const middle = Math.floor(((column + 0.5) / columns) * samples.length);
    for (let at = 0; at < size; at += 1) re[at] = (samples[middle - size / 2 + at] || 0) * window[at];
    im.fill(0);
    fft(re, im);
    for (let at = 0; at < size / 2; at += 1) shown[column * (size / 2) + at] = 10 * Math.log10(re[at] ** 2 + im[at] ** 2 + 1e-20);
  }
  return shown;
}

/** Log magnitudes of the two-dimensional spectrum, zero in the middle; `side` is a power of two. */
export function spectrum(values, side) {
  const re = Float64Array.from(values);
  const im = new Float64Array(side * side);
  for (let row = 0; row < side; row += 1) fft(re.subarray(row * side, (row + 1) * side), im.subarray(row * side, (row + 1) * side));
  const a = new Float64Array(side);
  const b = new Float64Array(side);
  const shown = new Float32Array(side * side);
  for (let column = 0; column < side; column += 1) {
    for (let row = 0; row < side; row += 1) {
      a[row] = re[row * side + column];
      b[row] = im[row * side + column];
    }
    fft(a, b);
    for (let row = 0; row < side; row += 1) {
      shown[((row + side / 2) % side) * side + ((column + side / 2) % side)] = Math.log1p(Math.hypot(a[row], b[row]));
    }
  }
  return shown;
}
