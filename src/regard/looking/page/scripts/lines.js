// Two lines of words, and between them a line for each weight, the more opaque the larger.

const MOST_LINES = 6000;
const isolators = []; // of the drawn panes: a word that is pointed at in one is isolated in all

function linesView(pane, width) {
  const seen = seenBy(pane.look, pane.choice, state.unit);
  if (seen.sides.columns.kind === "cells") return pictureView(pane, seen, width);
  return linesDrawing(pane, seen, layoutOf(seen, width));
}

function linesDrawing(pane, seen, layout) {
  const all = draw(
    "g",
    { class: "all" },
    strongest(seen).map(([i, j, weight]) => line(layout, i, j, weight)),
  );
  const lone = draw("g", { class: "lone" });
  const sides = {
    rows: layout.rows.map((place, i) => wordAt(place, seen.special.rows(i), seen.probabilities && seen.probabilities[i])),
    columns: layout.columns.map((place, j) => wordAt(place, seen.special.columns(j))),
  };
  const svg = draw(
    "svg",
    {
      class: `lines ${layout.name}`,
      width: layout.width,
      height: layout.height,
      viewBox: `0 0 ${layout.width} ${layout.height}`,
      role: "group",
      "aria-label": `${stackName(pane.look, pane.choice.stack)}, ${whereName(pane.choice)}`,
    },
    all,
    lone,
    sides.columns.map((each) => each.group),
    sides.rows.map((each) => each.group),
  );
  const isolate = (token) => isolateWord({ svg, lone, sides, seen, layout, pane }, token);
  listen(sides, seen, layout);
  isolators.push(isolate);
  isolate(state.token);
  return svg;
}

// [row, column, weight] of the weights that can be seen at all.
function strongest({ rows, columns, values }) {
  const found = [];
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) {
      const weight = values[i * columns + j];
      if (weight >= 0.02) found.push([i, j, weight]);
    }
  return found.sort((a, b) => b[2] - a[2]).slice(0, MOST_LINES);
}

function line(layout, i, j, weight, least = 0) {
  const strength = clamp(weight, least, 1);
  return draw("path", {
    d: layout.curve(layout.columns[j].port, layout.rows[i].port),
    "stroke-opacity": strength.toFixed(3),
    "stroke-width": (1 + 2.5 * strength).toFixed(2),
  });
}

// In a row from right to left, the left arrow leads to the next word.
function listen(sides, seen, { name }) {
  for (const side of ["columns", "rows"]) {
    const words = sides[side].map((each) => each.group);
    const left = name === "level" && seen.rtl[side] ? 1 : -1;
    words.forEach((group, index) => listenTo(group, { side, index }, words, left));
    const first = state.token && state.token.side === side ? state.token.index : 0;
    if (words[first]) words[first].setAttribute("tabindex", "0");
  }
}

function listenTo(group, token, words, left) {
  group.dataset.key = `${token.side}-${token.index}`;
  const steps = { ArrowLeft: left, ArrowRight: -left };
  group.addEventListener("pointerenter", () => isolateAll(token));
  group.addEventListener("pointerleave", () => isolateAll(state.token));
  group.addEventListener("focus", () => isolateAll(token));
  group.addEventListener("blur", () => isolateAll(state.token));
  group.addEventListener("click", () => keep(token));
  group.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") keep(token);
    else if (steps[event.key] && !event.shiftKey)
      focusOn(words[clamp(token.index + steps[event.key], 0, words.length - 1)]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

function focusOn(group) {
  group.focus();
}

function isolateAll(token) {
  for (const isolate of isolators) isolate(token);
}

function keep(token) {
  const same = state.token && state.token.side === token.side && state.token.index === token.index;
  change({ token: same ? null : token });
}

// Show the lines of one word alone, and the numbers at the words of the other side. No token: all lines again.
function isolateWord({ svg, lone, sides, seen, layout, pane }, token) {
  const there = token && token.index < sides[token.side].length;
  svg.classList.toggle("isolated", Boolean(there));
  lone.replaceChildren();
  for (const each of [...sides.rows, ...sides.columns]) unmark(each);
  if (!there) return pane.readout("");
  const looking = token.side === "rows";
  sides[token.side][token.index].group.classList.add("on");
  const weights = (looking ? sides.columns : sides.rows).map((each, k) => {
    const [i, j] = looking ? [token.index, k] : [k, token.index];
    const weight = seen.values[i * seen.columns + j];
    mark(each, weight);
    if (weight >= 0.004) lone.append(line(layout, i, j, weight, 0.12));
    return [i, j, weight];
  });
  pane.readout(strongestOf(seen, token, weights));
}

function strongestOf({ labels }, { side, index }, weights) {
  const other = side === "rows" ? (each) => labels.columns[each[1]] : (each) => labels.rows[each[0]];
  const shown = weights
    .filter((each) => each[2] >= 0.0005)
    .sort((a, b) => b[2] - a[2])
    .slice(0, 5);
  const list = shown.map((each) => `${isolated(other(each))} ${shownNumber(each[2])}`).join(", ");
  return list && say(side === "rows" ? "looks at" : "is looked at by", { word: isolated(labels[side][index]), list });
}

function sentence({ labels, hidden, columns, values }, i, j) {
  const words = { row: isolated(labels.rows[i]), column: isolated(labels.columns[j]) };
  return hidden[i * columns + j]
    ? say("masked", words)
    : say("readout", { ...words, value: shownNumber(values[i * columns + j]) });
}
