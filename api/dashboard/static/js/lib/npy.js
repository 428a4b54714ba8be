/** Arrays as NumPy writes them: .npy, and members of .npz archives. */

const READERS = {
  b1: (view, at) => view.getUint8(at),
  u1: (view, at) => view.getUint8(at),
  i1: (view, at) => view.getInt8(at),
  u2: (view, at, little) => view.getUint16(at, little),
  i2: (view, at, little) => view.getInt16(at, little),
  u4: (view, at, little) => view.getUint32(at, little),
  i4: (view, at, little) => view.getInt32(at, little),
  u8: (view, at, little) => Number(view.getBigUint64(at, little)),
  i8: (view, at, little) => Number(view.getBigInt64(at, little)),
  f2: half,
  f4: (view, at, little) => view.getFloat32(at, little),
  f8: (view, at, little) => view.getFloat64(at, little),
};

/**
 * Read an array of real or complex numbers (of these the magnitude).
 * @param {Uint8Array} data a whole .npy file
 * @returns {{shape: number[], dtype: string, fortran: boolean, at: (index: number) => number}}
 *   `at` counts elements as they lie in the file
 */
export function parseNpy(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (view.getUint32(0) !== 0x934e554d) throw new Error("this is no .npy file");
  const wide = view.getUint8(6) > 1;
  const start = (wide ? 12 : 10) + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  const head = new TextDecoder("latin1").decode(data.subarray(wide ? 12 : 10, start));
  const dtype = /'descr':\s*'([^']+)'/.exec(head)?.[1] ?? "";
  const shape = (/'shape':\s*\(([^)]*)\)/.exec(head)?.[1] ?? "").split(",").map((text) => text.trim()).filter(Boolean).map(Number);
  const kind = dtype.slice(1);
  const size = Number(kind.slice(1));
  const little = dtype[0] !== ">";
  if (kind[0] === "c") {
    const part = READERS[`f${size / 2}`];
    const at = (index) => Math.hypot(part(view, start + index * size, little), part(view, start + index * size + size / 2, little));
    return { shape, dtype, fortran: fortran(head), at };
  }
  const read = READERS[kind];
  if (!read) throw new Error(`arrays of ${dtype} are not shown`);
  return { shape, dtype, fortran: fortran(head), at: (index) => read(view, start + index * size, little) };
}

function fortran(head) {
  return /'fortran_order':\s*True/.test(head);
}

function half(view, at, little) {
  const bits = view.getUint16(at, little);
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
}

/** Return one member of a ZIP archive, or null if it is not there. */
export async function member(archive, wanted) {
  const data = new Uint8Array(archive);
  const view = new DataView(archive);
  let end = data.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end -= 1;
  if (end < 0) return null;
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left -= 1) {
    const method = view.getUint16(at + 10, true);
    const size = view.getUint32(at + 20, true);
    const length = view.getUint16(at + 28, true);
    const name = new TextDecoder().decode(data.subarray(at + 46, at + 46 + length));
    const local = view.getUint32(at + 42, true);
    if (name === wanted) {
      const from = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
      const packed = data.subarray(from, from + size);
      return method === 0 ? packed : inflate(packed);
    }
    at += 46 + length + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return null;
}

async function inflate(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
