// The colours of the style sheet, for what is painted and not styled.

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function channels(name) {
  return [1, 3, 5].map((i) => parseInt(colour(name).slice(i, i + 2), 16));
}

function isDark() {
  return state.theme === "dark" || (state.theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
}

function applyTheme() {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
}

// A matrix as pixels, each at most `most` along a side: the greatest of those that fall together.
function paintWeights(canvas, { rows, columns, values, hidden }, top, most = Infinity) {
  const step = Math.ceil(Math.max(rows, columns) / most) || 1;
  canvas.width = Math.ceil(columns / step);
  canvas.height = Math.ceil(rows / step);
  const strengths = new Float32Array(canvas.width * canvas.height);
  for (let i = 0; i < rows; i++) {
    const start = Math.floor(i / step) * canvas.width;
    for (let j = 0; j < columns; j++) {
      const at = start + Math.floor(j / step);
      const value = values[i * columns + j];
      if (value > strengths[at]) strengths[at] = value;
    }
  }
  const hiding = step === 1 ? hidden : null;
  const [weight, faint] = [channels("weight"), channels("faint")];
  paint(
    canvas,
    (i) => (hiding && hiding[i] ? faint : weight),
    (i) => (hiding && hiding[i] ? 40 : (255 * strengths[i]) / top),
  );
}

// Signed numbers: blue below zero, red above, nothing at zero, grey where there is none.
function paintSigned(canvas, values, columns) {
  canvas.width = columns;
  canvas.height = Math.ceil(values.length / columns);
  const top = largest(values.map(Math.abs).map((value) => value || 0));
  const [below, above] = [channels("blue"), channels("vermilion")];
  paint(
    canvas,
    (i) => (values[i] < 0 ? below : above),
    (i) => 255 * Math.min(1, Math.abs(values[i] || 0) / top),
  );
}

function paint(canvas, colourAt, opacityAt) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  for (let i = 0; i < canvas.width * canvas.height; i++) {
    image.data.set(colourAt(i), 4 * i);
    image.data[4 * i + 3] = opacityAt(i);
  }
  context.putImageData(image, 0, 0);
}
