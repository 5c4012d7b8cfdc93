// A picture that was looked at, under cells that are the bluer the more a token looked there.

function pictureView(pane, seen, width) {
  const tokens = seen.sides.rows.kind === "cells" ? null : tokenButtons(seen);
  const drawing = pictureDrawing(seen, Math.min(width, 460));
  const isolate = (token) => {
    const index = rowIn(seen, token);
    drawing.shade(index);
    pane.readout(
      strongestOf(
        seen,
        { side: "rows", index },
        count(seen.columns).map((j) => [index, j, seen.values[index * seen.columns + j]]),
      ),
    );
  };
  isolators.push(isolate);
  isolate(state.token);
  return make("div", { class: "pictured" }, drawing.svg, tokens);
}

// The row that a token stands for; the first, where there is none.
function rowIn(seen, token) {
  return token && token.side === "rows" ? Math.min(token.index, seen.rows - 1) : 0;
}

function tokenButtons(seen) {
  const chosen = rowIn(seen, state.token);
  return make(
    "div",
    { class: "tokens", role: "group", "aria-label": say("looking"), dir: seen.rtl.rows ? "rtl" : null },
    seen.labels.rows.map((text, index) => {
      const [enter, leave] = [() => isolateAll({ side: "rows", index }), () => isolateAll(state.token)];
      return make(
        "button",
        {
          type: "button",
          class: "token",
          "aria-pressed": String(index === chosen),
          "data-key": `rows-${index}`,
          onclick: () => change({ token: { side: "rows", index } }),
          onpointerenter: enter,
          onfocus: enter,
          onpointerleave: leave,
          onblur: leave,
        },
        word(text, { class: seen.special.rows(index) ? "special" : null }),
      );
    }),
  );
}

// The drawing, and what shades it by a row's weights. Where the cells themselves look, one is chosen here.
function pictureDrawing(seen, width) {
  const side = seen.sides.columns;
  const cell = width / Math.max(side.columns, side.rows);
  const [across, down] = [side.columns * cell, side.rows * cell];
  const cells = count(side.rows * side.columns).map((i) => cellAt(seen, i, cell));
  const ramp = draw("g", {});
  const svg = draw(
    "svg",
    {
      class: "picture",
      width: across,
      height: down + 34,
      viewBox: `0 0 ${across} ${down + 34}`,
      role: "img",
      "aria-label": say("source picture"),
    },
    draw("image", { href: side.picture, width: across, height: down, preserveAspectRatio: "none", class: "pixels" }),
    cells,
    ramp,
  );
  const shade = (index) => {
    const top = largest(seen.values.subarray(index * seen.columns, (index + 1) * seen.columns));
    cells.forEach((each, i) => shadeCell(each, seen, index, side.before.length + i, top));
    ramp.replaceChildren(legend(0, down + 16, top));
  };
  shade(0);
  return { svg, shade };
}

function cellAt(seen, i, size) {
  const { columns, before } = seen.sides.columns;
  const chooses = seen.sides.rows.kind === "cells";
  const choose = () => change({ token: { side: "rows", index: before.length + i } });
  return draw("rect", {
    class: "cell",
    x: (i % columns) * size,
    y: Math.floor(i / columns) * size,
    width: size,
    height: size,
    onclick: chooses ? choose : null,
  });
}

function shadeCell(cell, seen, row, column, top) {
  const weight = seen.values[row * seen.columns + column];
  cell.setAttribute("fill-opacity", clamp((0.9 * weight) / top, 0, 1).toFixed(3));
  cell.classList.toggle("chosen", seen.sides.rows.kind === "cells" && row === column);
  cell.dataset.value = weight.toFixed(4);
  cell.dataset.tip = sentence(seen, row, column);
}

// A small picture for each token that looks.
function galleryView(seen) {
  return make(
    "div",
    { class: "gallery" },
    seen.labels.rows.map((text, index) => {
      const { svg, shade } = pictureDrawing(seen, 132);
      shade(index);
      return make(
        "button",
        {
          type: "button",
          class: "shot",
          "data-key": `shot-${index}`,
          onclick: () => change({ view: "lines", token: { side: "rows", index } }),
        },
        svg,
        word(text),
      );
    }),
  );
}

// The ramp of colours from 0 to the greatest weight, and what a hatched cell means.
function legend(x, y, top, hatch = "") {
  const ramp = newId("ramp");
  const hatched = () => [
    draw("rect", { x: 150, y: 0, width: 12, height: 12, fill: `url(#${hatch})`, class: "frame" }),
    draw("text", { x: 168, y: 10, class: "small" }, say("hidden")),
  ];
  return draw(
    "g",
    { class: "legend", transform: `translate(${x} ${y})` },
    draw(
      "linearGradient",
      { id: ramp },
      draw("stop", { offset: 0, class: "stop", "stop-opacity": 0 }),
      draw("stop", { offset: 1, class: "stop", "stop-opacity": 1 }),
    ),
    draw("text", { x: 0, y: 10, class: "small" }, "0"),
    draw("rect", { x: 12, y: 0, width: 90, height: 12, rx: 2, fill: `url(#${ramp})`, class: "frame" }),
    draw("text", { x: 108, y: 10, class: "small" }, shownNumber(top, 2)),
    hatch ? hatched() : null,
  );
}
