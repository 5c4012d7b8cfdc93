// The one array of bytes that holds every number of the page; packing.py says how they lie in it.

const HEAD = JSON.parse(document.getElementById("head").textContent);
const BYTES = decoded(document.getElementById("bytes"));

function decoded(element) {
  const text = atob(element.textContent);
  element.remove();
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function sizeOf(shape) {
  return shape.reduce((product, n) => product * n, 1);
}

const READERS = {
  weights: (at, shape) => Float32Array.from(BYTES.subarray(at, at + sizeOf(shape)), (byte) => byte / 255),
  floats: (at, shape) => floatsAt(at, sizeOf(shape)),
  vectors: vectorsAt,
  bits: (at, shape) => Uint8Array.from(count(sizeOf(shape)), (i) => (BYTES[at + (i >> 3)] >> (7 - (i & 7))) & 1),
};

function numbers({ kind, at, shape }) {
  return READERS[kind](at, shape);
}

function floatsAt(at, n) {
  const view = new DataView(BYTES.buffer, at, 4 * n);
  return Float32Array.from(count(n), (i) => view.getFloat32(4 * i, true));
}

function vectorsAt(at, shape) {
  const columns = shape[shape.length - 1];
  const rows = sizeOf(shape) / columns;
  const scales = floatsAt(at, rows);
  const signed = new Int8Array(BYTES.buffer, at + 4 * rows, rows * columns);
  return Float32Array.from(signed, (byte, i) => (byte === -128 ? NaN : byte * scales[Math.floor(i / columns)]));
}

// Row i of what a reference of two axes means.
function rowOf({ kind, at, shape }, i) {
  if (kind === "floats") return floatsAt(at + 4 * i * shape[1], shape[1]);
  return numbers({ kind, at, shape }).subarray(i * shape[1], (i + 1) * shape[1]);
}

// A sum of heads, one matrix after the other: of those of `layers` and `heads` (all, where it is 0).
function meanOfHeads({ at, shape: [layers, heads, rows, columns] }, layer, head) {
  const size = rows * columns;
  const sum = new Float32Array(size);
  const chosenLayers = layer ? [layer - 1] : count(layers);
  const chosenHeads = head ? [head - 1] : count(heads);
  for (const i of chosenLayers) for (const j of chosenHeads) addBytes(sum, at + (i * heads + j) * size);
  const all = 255 * chosenLayers.length * chosenHeads.length;
  return { rows, columns, values: sum.map((value) => value / all) };
}

function addBytes(sum, at) {
  for (let i = 0; i < sum.length; i++) sum[i] += BYTES[at + i];
}
