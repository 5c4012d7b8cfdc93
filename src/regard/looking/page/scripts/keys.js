// What keys do, wherever the focus is but in a slider, and the list of them.

const KEYS = [
  [["1", "…", "7"], "views"],
  [["←", "→"], "head"],
  [["↑", "↓"], "layer"],
  [["Shift ←", "Shift →"], "token"],
  [["S"], "stack"],
  [["W"], "unit"],
  [["P"], "play"],
  [["[", "]"], "steps"],
  [["T"], "theme"],
  [["L"], "language"],
  [["Esc"], "escape"],
  [["?"], "keys"],
];

const ACTIONS = {
  ArrowLeft: () => turn("head", -1),
  ArrowRight: () => turn("head", 1),
  ArrowUp: () => turn("layer", -1),
  ArrowDown: () => turn("layer", 1),
  "Shift ArrowLeft": () => turnToken(-1),
  "Shift ArrowRight": () => turnToken(1),
  s: turnStack,
  w: () => change({ unit: after(UNITS, state.unit), token: null }),
  t: nextTheme,
  l: nextLanguage,
  "?": openKeys,
  p: () => HEAD.mode === "steps" && play(),
  "[": () => toLook(state.look - 1),
  "]": () => toLook(state.look + 1),
  Escape: () => change({ token: null }),
};

function after(values, value) {
  return values[(values.indexOf(value) + 1) % values.length];
}

// A head or layer further, in the pane that has the focus; before the first stands the mean.
function turn(kind, step) {
  const pane = panes()[presentPane()];
  if (!pane.choice.stack) return;
  const most = sizesOf(pane.look, pane.choice.stack)[`${kind}s`];
  changePane(pane.index, { [kind]: (pane.choice[kind] + step + most + 1) % (most + 1), map: "" });
}

function turnStack() {
  const {
    index,
    look,
    choice: { stack },
  } = panes()[presentPane()];
  if (stack) changePane(index, settled(look, after(stacksOf(look), stack), index));
}

// A token further: the one that the present view is about.
function turnToken(step) {
  const {
    look,
    choice: { stack },
  } = panes()[0];
  const { name } = presentView();
  if (name === "way") return turnPlace("way", (each) => each.ways.length, step);
  if (name === "next") return turnPlace("place", (each) => (each.choices ? each.choices.pieces.length : 0), step);
  if (!stack) return;
  const { side, index } = state.token || { side: "rows", index: step > 0 ? -1 : 0 };
  const most = sideIn(state.unit, sidesOf(look, stack)[side]).labels.length;
  change({ token: { side, index: (index + step + most) % most } });
}

function turnPlace(key, lengthOf, step) {
  const last = Math.max(...panes().map(({ look }) => lengthOf(look))) - 1;
  change({ [key]: clamp(Math.min(state[key], last) + step, 0, Math.max(0, last)) });
}

function presentPane() {
  const pane = document.activeElement && document.activeElement.closest("[data-pane]");
  return pane ? Number(pane.dataset.pane) : 0;
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input[type=range], dialog[open]")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const action = ACTIONS[event.shiftKey && key.startsWith("Arrow") ? `Shift ${key}` : key];
  if (/^[1-9]$/.test(key) && VIEWS[key - 1]) change({ view: VIEWS[key - 1].name });
  else if (action) action();
  else return;
  event.preventDefault();
}

function openKeys() {
  const rows = KEYS.map(([keys, name]) =>
    make(
      "tr",
      {},
      make(
        "td",
        {},
        keys.map((key) => [make("kbd", {}, key), " "]),
      ),
      make("td", {}, say(`key.${name}`)),
    ),
  );
  const dialog = make(
    "dialog",
    { "aria-label": say("keys") },
    make("h2", {}, say("keys")),
    make("table", {}, make("tbody", {}, rows)),
    make("form", { method: "dialog" }, make("button", { autofocus: true }, say("close"))),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
