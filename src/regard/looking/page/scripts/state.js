// Everything that can be chosen, in one object that the address mirrors: a copied address shows the same again.

const LOOKS = HEAD.looks;
const THEMES = ["auto", "light", "dark"];
const UNITS = ["words", "pieces"];
const state = started();
Object.assign(state, inAddress());

function started() {
  return {
    view: "",
    look: 0,
    unit: "words",
    token: null,
    way: 0,
    place: 0,
    temperature: 1,
    beside: false,
    language: preferredLanguage(),
    theme: "auto",
    panes: (HEAD.mode === "models" ? LOOKS : LOOKS.slice(0, 1)).map(firstChoice),
  };
}

// The head that the look recommends; else the mean over the heads of the last layer but one.
function firstChoice(look) {
  if (look.head) return { stack: look.head[0], layer: look.head[1] + 1, head: look.head[2] + 1, map: "" };
  const stack = stacksOf(look).includes("cross") ? "cross" : stacksOf(look)[0];
  return { stack, layer: stack ? Math.max(1, sizesOf(look, stack).layers - 1) : 0, head: 0, map: "" };
}

// What the address says, as far as it makes sense here.
function inAddress() {
  const said = new URLSearchParams(location.hash.slice(1));
  const found = started();
  found.view = said.get("view") || "";
  found.look = clamp((parseInt(said.get("look"), 10) || 1) - 1, 0, LOOKS.length - 1);
  found.way = Math.max(0, (parseInt(said.get("way"), 10) || 1) - 1);
  found.place = Math.max(0, (parseInt(said.get("place"), 10) || 1) - 1);
  found.beside = said.get("beside") === "yes";
  found.temperature = parseFloat(said.get("temperature")) || 1;
  found.token = tokenFrom(said.get("token"));
  for (const [key, allowed] of [
    ["unit", UNITS],
    ["language", LANGUAGES],
    ["theme", THEMES],
  ])
    if (allowed.includes(said.get(key))) found[key] = said.get(key);
  found.panes = found.panes.map((pane, i) => paneFrom(said, pane, i));
  return found;
}

function tokenFrom(text) {
  const parts = /^(at)?(\d+)$/.exec(text || "");
  return parts && { side: parts[1] ? "columns" : "rows", index: Number(parts[2]) - 1 };
}

function paneFrom(said, standard, i) {
  const given = (key) => said.getAll(key)[i];
  const look = LOOKS[HEAD.mode === "models" ? i : 0];
  const stack = Object.hasOwn(look.stacks, given("stack")) ? given("stack") : standard.stack;
  if (!stack) return standard;
  const { layers, heads } = sizesOf(look, stack);
  const number = (text, usual, most) => (text === "mean" ? 0 : clamp(parseInt(text, 10) || usual, 0, most));
  const map = stack === look.summed && Object.hasOwn(look.summaries, given("map")) ? given("map") : "";
  return {
    stack,
    layer: number(given("layer"), standard.layer, layers),
    head: number(given("head"), standard.head, heads),
    map,
  };
}

function address() {
  const said = new URLSearchParams();
  const { token } = state;
  const single = {
    view: state.view,
    look: state.look + 1,
    unit: state.unit,
    way: state.way + 1,
    place: state.place + 1,
    temperature: state.temperature,
    beside: state.beside ? "yes" : "no",
    language: state.language,
    theme: state.theme,
  };
  for (const [key, value] of Object.entries(single)) said.set(key, value);
  if (token) said.set("token", `${token.side === "columns" ? "at" : ""}${token.index + 1}`);
  for (const { stack, layer, head, map } of state.panes)
    for (const [key, value] of Object.entries({
      stack: stack || "",
      layer: layer || "mean",
      head: head || "mean",
      map,
    }))
      said.append(key, value);
  return `#${said}`;
}

function change(changes, redraw = show) {
  Object.assign(state, changes);
  writeAddress();
  redraw();
}

let writing = 0;

// Soon, and not at each step of a slider: a browser may refuse more than a few a second.
function writeAddress() {
  clearTimeout(writing);
  writing = setTimeout(() => history.replaceState(null, "", address()), 100);
}

function changePane(i, changes) {
  const panes = state.panes.map((pane, j) => (i === j ? { ...pane, ...changes } : pane));
  const other = changes.stack && changes.stack !== state.panes[i].stack;
  change({ panes, token: other ? null : state.token });
}

// The panes of the page: one, or one for each model.
function panes() {
  return state.panes.map((choice, index) => ({
    index,
    choice,
    look: LOOKS[HEAD.mode === "models" ? index : state.look],
  }));
}
