// A beam search as a tree: a column for each step, its candidates best first, and lines to what they go on from.

const NODE = { width: 104, height: 38, across: 152, down: 50, left: 60, top: 14 };

function beamView(pane) {
  const { tree } = pane.look;
  return make(
    "div",
    {},
    make("div", { class: "scroll", "data-key": `tree-${pane.index}` }, treeDrawing(tree)),
    beamKey(),
    outputTable(tree),
  );
}

function treeDrawing({ steps }) {
  const deepest = Math.max(...steps.map((step) => step.length));
  const [width, height] = [NODE.left + steps.length * NODE.across, 2 * NODE.top + deepest * NODE.down];
  const links = steps.flatMap((step, s) => step.map((branch, i) => linkTo(steps, s, i, branch)));
  const nodes = steps.flatMap((step, s) => step.map((branch, i) => nodeOf(branch, placeOf(s, i))));
  return draw(
    "svg",
    { class: "beam", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": say("view.beam") },
    links.sort(wonLast),
    draw("text", { class: "small", x: 0, y: NODE.top + NODE.height / 2 + 4 }, say("beam.start")),
    nodes,
  );
}

function placeOf(step, i) {
  return { x: NODE.left + step * NODE.across, y: NODE.top + i * NODE.down };
}

// The line from the hypothesis that a candidate continues; at the first step, from the start.
function linkTo(steps, s, i, branch) {
  const parent = s === 0 ? -1 : steps[s - 1].findIndex((each) => each.rank === branch.parent);
  const from =
    s === 0
      ? { x: NODE.left - 14, y: NODE.top + NODE.height / 2 }
      : { x: placeOf(s - 1, parent).x + NODE.width, y: placeOf(s - 1, Math.max(parent, 0)).y + NODE.height / 2 };
  const to = { x: placeOf(s, i).x, y: placeOf(s, i).y + NODE.height / 2 };
  const middle = (from.x + to.x) / 2;
  return draw("path", {
    class: `link ${fateOf(branch)}`,
    d: `M${from.x} ${from.y}C${middle} ${from.y} ${middle} ${to.y} ${to.x} ${to.y}`,
  });
}

function wonLast(a, b) {
  return a.classList.contains("won") - b.classList.contains("won");
}

function fateOf({ won, ended, rank }) {
  if (won) return ended ? "won ended" : "won";
  if (ended) return "ended";
  return rank === null ? "dropped" : "kept";
}

function nodeOf(branch, { x, y }) {
  const tip = say("beam.tip", {
    piece: branch.piece,
    own: shownNumber(branch.log_probability),
    total: shownNumber(branch.total),
  });
  return draw(
    "g",
    {
      class: `node ${fateOf(branch)}`,
      transform: `translate(${x} ${y})`,
      tabindex: "0",
      role: "img",
      "aria-label": tip,
      "data-tip": tip,
    },
    draw("rect", { width: NODE.width, height: NODE.height, rx: 6 }),
    draw(
      "text",
      { class: "label", x: NODE.width / 2, y: 16, "text-anchor": "middle", "font-size": 13 },
      shortened(branch.piece, 13),
    ),
    draw("text", { class: "small", x: NODE.width / 2, y: 31, "text-anchor": "middle" }, shownNumber(branch.total, 2)),
  );
}

function beamKey() {
  return make(
    "p",
    { class: "key" },
    ["won", "kept", "ended", "dropped"].map((fate) => make("span", { class: `fate ${fate}` }, say(`beam.${fate}`))),
  );
}

function outputTable({ outputs }) {
  return make(
    "div",
    { class: "scroll" },
    make(
      "table",
      { class: "outputs" },
      make(
        "thead",
        {},
        make(
          "tr",
          {},
          ["rank", "output", "score", "log-probability"].map((name) => make("th", { scope: "col" }, say(name))),
        ),
      ),
      make(
        "tbody",
        {},
        outputs.map(({ text, score, log_probability: own }, i) =>
          make(
            "tr",
            {},
            make("td", { class: "figure" }, String(i + 1)),
            make("td", {}, word(text)),
            make("td", { class: "figure" }, shownNumber(score)),
            make("td", { class: "figure" }, shownNumber(own)),
          ),
        ),
      ),
    ),
  );
}
