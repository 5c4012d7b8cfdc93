// What a pane's matrix is chosen with.

// A row of buttons of which one is pressed; options are [value, text] each.
function choice(key, name, options, current, pick, dir = null) {
  const buttons = options.map(([value, text]) =>
    make(
      "button",
      {
        type: "button",
        "aria-pressed": String(value === current),
        "data-key": `${key}-${value}`,
        onclick: () => pick(value),
      },
      text,
    ),
  );
  return make(
    "div",
    { class: "choice", role: "group", "aria-label": name },
    make("span", { class: "name" }, name),
    make("span", { class: "options", dir }, buttons),
  );
}

function numbered(most, first) {
  return [...first, ...count(most).map((i) => [i + 1, String(i + 1)])];
}

function stackChoice({ index, look, choice: { stack } }, allowed = stacksOf(look)) {
  if (allowed.length < 2) return null;
  const options = allowed.map((each) => [each, stackName(look, each)]);
  return choice(`stack-${index}`, say("stack"), options, stack, (value) =>
    changePane(index, settled(look, value, index)),
  );
}

// A stack, with the layer and head as near to the present ones as it has them, and no summary.
function settled(look, stack, index) {
  const { layers, heads } = sizesOf(look, stack);
  const { layer, head } = state.panes[index];
  return { stack, layer: Math.min(layer, layers), head: Math.min(head, heads), map: "" };
}

function headChoices({ index, look, choice: { stack, layer, head, map } }) {
  const { layers, heads } = sizesOf(look, stack);
  const mean = [[0, say("mean")]];
  return [
    choice(`layer-${index}`, say("layer"), numbered(layers, mean), map ? null : layer, (value) =>
      changePane(index, { layer: value, map: "" }),
    ),
    choice(`head-${index}`, say("head"), numbered(heads, mean), map ? null : head, (value) =>
      changePane(index, { head: value, map: "" }),
    ),
  ];
}

function summaryChoice({ index, look, choice: { stack, map } }) {
  const names = stack === look.summed ? Object.keys(look.summaries) : [];
  if (!names.length) return null;
  const options = [["", say("as a head")], ...names.map((name) => [name, summaryName(name)])];
  return choice(`map-${index}`, say("summary"), options, map, (value) => changePane(index, { map: value }));
}

function unitChoice() {
  const kinds = LOOKS.flatMap((look) => [look.source, look.target]).filter((side) => side && side.kind === "words");
  if (!kinds.some((side) => side.words.length < side.pieces.length)) return null;
  const options = UNITS.map((unit) => [unit, say(`unit.${unit}`)]);
  return choice("unit", say("unit"), options, state.unit, (unit) => change({ unit, token: null }));
}

function besideSwitch({ look, choice: { stack }, index }) {
  if (stack !== look.summed || !Object.keys(look.summaries).length) return null;
  const box = make("input", {
    type: "checkbox",
    "data-key": `beside-${index}`,
    onchange: () => change({ beside: !state.beside }),
  });
  box.checked = state.beside;
  return make("label", { class: "switch" }, box, say("beside"));
}

// A slider over texts. What `move` draws must leave the slider itself where it is: it may be in the reader's hand.
function slider(key, name, texts, at, move) {
  const output = make("output", {}, texts[at]);
  const input = make("input", {
    type: "range",
    min: 0,
    max: texts.length - 1,
    value: at,
    "data-key": key,
    "aria-label": name,
    "aria-valuetext": texts[at],
    oninput: () => {
      output.textContent = texts[input.value];
      input.setAttribute("aria-valuetext", texts[input.value]);
      move(Number(input.value));
    },
  });
  return make("label", { class: "slider" }, make("span", { class: "name" }, name), input, output);
}

const matrixControls = (pane) => [stackChoice(pane), headChoices(pane), summaryChoice(pane)];
