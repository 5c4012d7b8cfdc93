// Vectors as strips of colour: blue below zero, red above, in rows of at most 128 numbers.

function strip(name, values) {
  const columns = values.length >= 256 ? 128 : Math.min(values.length, 64);
  const canvas = make("canvas", {
    tabindex: "0",
    role: "img",
    "aria-label": describedStrip(name, values),
    class: "strip",
  });
  paintSigned(canvas, values, columns);
  canvas.style.width = `${Math.min(640, columns * 10)}px`;
  canvas.style.height = `${canvas.height * 12}px`;
  readValues(canvas, values, columns);
  return make(
    "figure",
    { class: "stripped" },
    make("figcaption", {}, name, make("span", { class: "faint" }, ` ${values.length}`)),
    canvas,
  );
}

function describedStrip(name, values) {
  const norm = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  const [low, high] = [Math.min(...values), Math.max(...values)].map((value) => shownNumber(value, 2));
  return say("strip", { name, n: values.length, low, high, norm: shownNumber(norm, 2) });
}

function readValues(canvas, values, columns) {
  let at = 0;
  const tell = (i, x, y) => {
    at = clamp(i, 0, values.length - 1);
    showTip(say("cell", { n: at + 1, value: shownNumber(values[at]) }), x, y);
  };
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const row = Math.floor((event.clientY - box.top) / (box.height / canvas.height));
    tell(row * columns + Math.floor((event.clientX - box.left) / (box.width / columns)), event.clientX, event.clientY);
    event.stopPropagation();
  });
  canvas.addEventListener("pointerleave", hideTip);
  canvas.addEventListener("blur", hideTip);
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  canvas.addEventListener("keydown", (event) => {
    if (!steps[event.key] || event.shiftKey) return;
    const box = canvas.getBoundingClientRect();
    tell(at + steps[event.key], box.left, box.top);
    event.preventDefault();
    event.stopPropagation();
  });
}

// A bar of a share of its room; below zero it grows to the left from the middle.
function bar(share, kind = "") {
  const inner = make("span", { class: `bar ${kind}` });
  inner.style.width = `${(100 * clamp(Math.abs(share), 0, 1)).toFixed(2)}%`;
  return make("span", { class: "track" }, inner);
}
