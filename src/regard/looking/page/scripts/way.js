// The way of one token: its vector and position, each layer's attention and feed-forward network, and what comes out.

const openLayers = new Set(["0-0"]); // pane–layer, as the reader left them

function wayView(pane) {
  const { look, index } = pane;
  const way = look.ways[Math.min(state.way, look.ways.length - 1)];
  return make(
    "div",
    { class: "way" },
    make("section", { class: "stage" }, startOf(way)),
    way.layers.map((steps, i) => layerOf(pane, way, steps, i, index)),
    make("section", { class: "stage halves" }, strip(say("way.end"), numbers(way.end)), wayChoices(look, way)),
    look.ways_left_out ? make("p", { class: "about" }, say("way.left", { n: look.ways_left_out })) : null,
  );
}

// Token vector + position = what the first layer reads; without a position in the sum, a word about where it is.
function startOf(way) {
  const shown = (name) => strip(say(`way.${name}`), numbers(way[name]));
  const sign = (text) => make("span", { class: "sign" }, text);
  const middle = way.position
    ? [sign("+"), shown("position"), sign("=")]
    : make("p", { class: "faint remark" }, say("way.within"));
  return [shown("token"), middle, shown("start")];
}

function wayControls(pane) {
  const {
    look,
    index,
    choice: { head },
  } = pane;
  const way = look.ways[Math.min(state.way, look.ways.length - 1)];
  const attention = way.layers.flat().find((step) => step.query);
  const heads = attention ? attention.weights.shape[0] : 0;
  return [
    ["source", "target"].map((side) => tokenChoice(pane, side, look.ways.indexOf(way))),
    heads
      ? choice(`head-${index}`, say("head"), numbered(heads, []), wayHead(pane, heads), (value) =>
          changePane(index, { head: value, map: "" }),
        )
      : null,
  ];
}

function wayHead({ choice: { head } }, heads) {
  return clamp(head, 1, heads);
}

// A row of the tokens of one side that have a way.
function tokenChoice({ look, index }, side, chosen) {
  const { labels, special, rtl } = sideIn("pieces", side === "target" ? look.fed || look.target : look.source);
  const options = look.ways
    .map(({ place, ...way }, i) => ({ ...way, i, text: word(labels[place], { class: special(place) ? "special" : null }) }))
    .filter((way) => way.side === side)
    .map(({ i, text }) => [i, text]);
  const name = say(look.target ? `side.${side}` : "token");
  const pick = (way) => change({ way });
  return options.length ? choice(`way-${index}`, name, options, chosen, pick, rtl ? "rtl" : null) : null;
}

function layerOf(pane, way, steps, i, index) {
  const key = `${index}-${i}`;
  const details = make(
    "details",
    { class: "layer", "data-layer": i + 1 },
    make("summary", { "data-key": `layer-of-${key}` }, say("layer n", { n: i + 1 })),
  );
  const fill = () =>
    details.append(...steps.map((step) => (step.query ? attentionStep(pane, step) : feedForwardStep(step))));
  details.addEventListener("toggle", () => {
    openLayers[details.open ? "add" : "delete"](key);
    if (details.open && details.children.length === 1) fill();
  });
  if (openLayers.has(key)) {
    fill();
    details.open = true;
  }
  return details;
}

function attentionStep(pane, step) {
  const head = wayHead(pane, step.weights.shape[0]);
  const name = pane.look.target && step.stack === "encoder" ? "self" : step.stack;
  return make(
    "section",
    { class: "stage" },
    make(
      "h3",
      {},
      say(pane.look.target ? `way.attention.${name}` : "way.attention.self"),
      make("span", { class: "faint" }, ` ${say("head n", { n: head })}`),
    ),
    make(
      "div",
      { class: "halves" },
      make(
        "div",
        {},
        strip(say("way.query"), rowOf(step.query, head - 1)),
        scoreTable(labelsLookedAt(pane.look, step), rowOf(step.scores, head - 1), rowOf(step.weights, head - 1)),
      ),
      make(
        "div",
        {},
        strip(say("way.gathered"), rowOf(step.gathered, head - 1)),
        strip(say("way.output"), numbers(step.output)),
        strip(say("way.after"), numbers(step.after)),
      ),
    ),
  );
}

function labelsLookedAt(look, { stack, scores }) {
  const labels = sideIn("pieces", sidesOf(look, stack).columns).labels;
  return count(scores.shape[1]).map((i) => labels[i] || String(i + 1));
}

function scoreTable(labels, scores, weights) {
  const widest = largest(scores.map((score) => Math.abs(score) || 0));
  const row = (label, i) =>
    make(
      "tr",
      { class: Number.isNaN(scores[i]) ? "masked" : null },
      make("th", { scope: "row" }, word(label)),
      make("td", { class: "figure" }, Number.isNaN(scores[i]) ? "−∞" : shownNumber(scores[i], 2)),
      make("td", { class: "wide" }, bar(scores[i] / widest || 0, scores[i] < 0 ? "below" : "above")),
      make("td", { class: "figure" }, shownNumber(weights[i], 3)),
      make("td", { class: "wide" }, bar(weights[i], "weight")),
    );
  return make(
    "div",
    { class: "scroll" },
    make(
      "table",
      { class: "scores" },
      make(
        "thead",
        {},
        make(
          "tr",
          {},
          make("th", { scope: "col" }, say("looked at")),
          make("th", { colspan: 2, scope: "col" }, say("way.scores")),
          make("th", { colspan: 2, scope: "col" }, say("way.weights")),
        ),
      ),
      make("tbody", {}, labels.map(row)),
    ),
  );
}

function feedForwardStep(step) {
  return make(
    "section",
    { class: "stage" },
    make("h3", {}, say("way.feedforward")),
    make(
      "div",
      { class: "halves" },
      strip(say("way.inner"), numbers(step.inner)),
      make("div", {}, strip(say("way.fed"), numbers(step.output)), strip(say("way.after"), numbers(step.after))),
    ),
  );
}

// A token that was fed ends in what comes next.
function wayChoices(look, { side, place }) {
  const predicts = look.choices && (side === "target" || !look.target) && look.choices.pieces[place];
  return predicts ? make("div", {}, make("h3", {}, say("way.next")), likeliest(look, place)) : null;
}
