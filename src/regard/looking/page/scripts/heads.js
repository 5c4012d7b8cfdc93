// All heads of a stack as small maps: a row for each layer, a column for each head.

const FINEST = 96; // pixels along a side of a small map, into which a longer text is put together
const painted = new Map(); // small maps, by their numbers and the theme: a long text's take seconds

function headsView(pane, width) {
  const {
    look,
    choice: { stack },
  } = pane;
  const { layers, heads } = sizesOf(look, stack);
  const [left, above, gap] = [64, 26, 8];
  const side = clamp(Math.floor((width - left) / heads) - gap, 44, 132);
  const shape = shapeOf(look.stacks[stack].weights.shape, side);
  const [wide, high] = [left + heads * (shape.width + gap), above + layers * (shape.height + gap)];
  return draw(
    "svg",
    {
      class: "heads",
      width: wide,
      height: high,
      viewBox: `0 0 ${wide} ${high}`,
      role: "group",
      "aria-label": say("view.heads"),
    },
    count(heads).map((j) =>
      draw(
        "text",
        { class: "small", x: left + j * (shape.width + gap) + shape.width / 2, y: 16, "text-anchor": "middle" },
        say("head n", { n: j + 1 }),
      ),
    ),
    count(layers).map((i) =>
      draw(
        "text",
        { class: "small", x: 0, y: above + i * (shape.height + gap) + shape.height / 2 + 4 },
        say("layer n", { n: i + 1 }),
      ),
    ),
    count(layers * heads).map((k) => {
      const [i, j] = [Math.floor(k / heads), k % heads];
      return smallMap(pane, i + 1, j + 1, {
        ...shape,
        x: left + j * (shape.width + gap),
        y: above + i * (shape.height + gap),
      });
    }),
  );
}

function shapeOf([, , rows, columns], side) {
  const longer = Math.max(rows, columns);
  return { width: side * Math.max(0.35, columns / longer), height: side * Math.max(0.35, rows / longer) };
}

function pictureOf(weights, layer, head) {
  const key = [weights.at, layer, head, isDark()].join();
  if (!painted.has(key)) {
    const canvas = document.createElement("canvas");
    const matrix = meanOfHeads(weights, layer, head);
    paintWeights(canvas, matrix, largest(matrix.values), FINEST);
    painted.set(key, canvas.toDataURL());
  }
  return painted.get(key);
}

function smallMap(pane, layer, head, { x, y, width, height }) {
  const { index, look, choice: chosen } = pane;
  const { weights } = look.stacks[chosen.stack];
  const here = !chosen.map && chosen.layer === layer && chosen.head === head;
  const name = say("where", { layer, head });
  const pick = () => {
    state.panes[index] = { ...chosen, layer, head, map: "" };
    change({ view: "lines" });
  };
  return draw(
    "g",
    {
      class: `small-map${here ? " chosen" : ""}`,
      role: "button",
      tabindex: "0",
      "aria-label": name,
      "aria-pressed": String(here),
      "data-tip": name,
      "data-key": `map-${index}-${layer}-${head}`,
      transform: `translate(${x} ${y})`,
      onclick: pick,
      onkeydown: (event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), pick()),
    },
    draw("image", { href: pictureOf(weights, layer, head), width, height, class: "pixels", preserveAspectRatio: "none" }),
    draw("rect", { class: "frame", width, height, rx: 3, fill: "transparent" }),
  );
}
