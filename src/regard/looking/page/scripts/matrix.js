// A matrix as squares, with the looking tokens at its left and those that are looked at above it.

const RECTANGLES = 4096; // cells; a larger matrix is one image
const LABEL = { letters: 13, longest: 20, turn: -58 };

function matrixView(pane, width) {
  const seen = seenBy(pane.look, pane.choice, state.unit);
  if (seen.sides.columns.kind === "cells" && seen.sides.rows.kind !== "cells") return galleryView(seen);
  const { look, choice: chosen } = pane;
  const names =
    state.beside && chosen.stack === look.summed
      ? Object.keys(look.summaries).filter((name) => name !== chosen.map)
      : [];
  const room = names.length ? Math.min(width, Math.max(300, Math.floor(width / 3) - 24)) : width;
  return make(
    "div",
    { class: "maps" },
    [chosen, ...names.map((map) => ({ ...chosen, map }))].map((each) => {
      const matrix = each === chosen ? seen : seenBy(look, each, state.unit);
      return make(
        "figure",
        { "data-map": each.map },
        make("figcaption", {}, word(`${stackName(look, each.stack)}: ${whereName(each)}`)),
        matrixDrawing(pane, matrix, room, each.map),
      );
    }),
  );
}

function matrixDrawing(pane, seen, width, map) {
  const plan = matrixPlan(seen, width);
  const hatch = newId("hatch");
  const top = largest(seen.values);
  const cursor = draw("rect", { class: "cursor", width: plan.cell, height: plan.cell, visibility: "hidden" });
  const labels = { columns: columnLabels(seen, plan), rows: rowLabels(seen, plan) };
  const svg = draw(
    "svg",
    {
      class: "matrix",
      width: plan.width,
      height: plan.height,
      viewBox: `0 0 ${plan.width} ${plan.height}`,
      tabindex: "0",
      role: "application",
      "aria-label": say("about.matrix"),
      "data-key": `matrix-${pane.index}-${map}`,
    },
    hatching(hatch),
    labels.columns,
    labels.rows,
    draw("g", { transform: `translate(${plan.left} ${plan.top})` }, squares(seen, plan, top, hatch), cursor),
    legend(plan.left, plan.top + plan.cell * seen.rows + 14, top, seen.hidden.some(Boolean) ? hatch : ""),
  );
  moveCursor(svg, cursor, labels, seen, plan, pane);
  return svg;
}

function matrixPlan({ rows, columns, labels }, width) {
  const widest = (texts) => Math.max(...texts.map((text) => widthOf(shortened(text, LABEL.longest), LABEL.letters)));
  const [left, above] = [widest(labels.rows) + 12, widest(labels.columns)];
  const lean = Math.cos((LABEL.turn * Math.PI) / 180);
  const over = above * lean + 10; // how far the last label leans out
  const least = rows * columns > RECTANGLES ? 3 : 15;
  const cell = clamp(Math.floor((width - left - over) / columns), least, 34);
  const top = above * Math.sqrt(1 - lean * lean) + 16;
  return {
    cell,
    left,
    top,
    every: Math.ceil(14 / cell),
    width: Math.ceil(Math.max(left + columns * cell + over, left + 290)),
    height: Math.ceil(top + rows * cell + 34),
  };
}

function columnLabels({ labels: { columns }, special }, { left, top, cell, every }) {
  return columns.map((text, j) =>
    draw(
      "text",
      {
        class: `label${j % every ? " skipped" : ""}${special.columns(j) ? " special" : ""}`,
        "font-size": LABEL.letters,
        transform: `translate(${left + (j + 0.5) * cell + 4} ${top - 7}) rotate(${LABEL.turn})`,
      },
      shortened(text, LABEL.longest),
    ),
  );
}

function rowLabels({ labels: { rows }, special }, { left, top, cell, every }) {
  return rows.map((text, i) =>
    draw(
      "text",
      {
        class: `label${i % every ? " skipped" : ""}${special.rows(i) ? " special" : ""}`,
        "font-size": LABEL.letters,
        x: left - 8,
        y: top + (i + 0.5) * cell + 4.5,
        "text-anchor": "end",
      },
      shortened(text, LABEL.longest),
    ),
  );
}

function hatching(id) {
  return draw(
    "pattern",
    { id, width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    draw("rect", { class: "hatch", width: 1.4, height: 5 }),
  );
}

function squares(seen, { cell }, top, hatch) {
  const { rows, columns, values, hidden } = seen;
  const frame = draw("rect", { class: "frame", width: columns * cell, height: rows * cell, fill: "none" });
  if (rows * columns > RECTANGLES) return [oneImage(seen, cell, top), frame];
  const rectangles = count(rows * columns).map((k) =>
    draw("rect", {
      class: hidden[k] ? "hidden" : "cell",
      x: (k % columns) * cell,
      y: Math.floor(k / columns) * cell,
      width: cell,
      height: cell,
      fill: hidden[k] ? `url(#${hatch})` : null,
      "fill-opacity": hidden[k] ? null : clamp(values[k] / top, 0, 1).toFixed(3),
      "data-cell": `${Math.floor(k / columns)},${k % columns}`,
      "data-value": values[k].toFixed(4),
    }),
  );
  return [rectangles, frame];
}

function oneImage(seen, cell, top) {
  const canvas = document.createElement("canvas");
  paintWeights(canvas, seen, top);
  return draw("image", {
    href: canvas.toDataURL(),
    width: seen.columns * cell,
    height: seen.rows * cell,
    class: "pixels",
    preserveAspectRatio: "none",
  });
}

// A cell that the pointer, or arrow keys while the matrix has the focus, move; its number is read out.
function moveCursor(svg, cursor, labels, seen, { left, top, cell }, pane) {
  let [row, column] = [0, 0];
  const to = (i, j) => {
    [row, column] = [clamp(i, 0, seen.rows - 1), clamp(j, 0, seen.columns - 1)];
    for (const [attribute, value] of [
      ["x", column * cell],
      ["y", row * cell],
      ["visibility", "visible"],
    ])
      cursor.setAttribute(attribute, value);
    labels.rows.forEach((label, k) => label.classList.toggle("on", k === row));
    labels.columns.forEach((label, k) => label.classList.toggle("on", k === column));
    pane.readout(sentence(seen, row, column));
  };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const [i, j] = [
      Math.floor((event.clientY - box.top - top) / cell),
      Math.floor((event.clientX - box.left - left) / cell),
    ];
    if (i < 0 || j < 0 || i >= seen.rows || j >= seen.columns) return hideTip();
    to(i, j);
    showTip(sentence(seen, i, j), event.clientX, event.clientY);
    event.stopPropagation();
  });
  svg.addEventListener("pointerleave", hideTip);
  svg.addEventListener("focus", () => to(row, column));
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  svg.addEventListener("keydown", (event) => {
    if (!steps[event.key] || event.shiftKey) return;
    to(row + steps[event.key][0], column + steps[event.key][1]);
    event.preventDefault();
    event.stopPropagation();
  });
}
