// The page around the views, and drawing it anew after each choice.

const root = document.getElementById("page");

function show() {
  document.documentElement.lang = state.language;
  document.documentElement.dataset.mode = HEAD.mode;
  applyTheme();
  redrawn((drawn) => root.replaceChildren(header(), stepSlider() || "", tabs(), shared(drawn), drawn));
}

// All but what stands above the tabs.
function showBelow() {
  redrawn((drawn) => {
    root.querySelector(".shared").replaceWith(shared(drawn));
    root.querySelector(".panes").replaceWith(drawn);
  });
}

// All panes, and of the one that has the focus only its panel.
function showPanels() {
  redrawn((drawn) => {
    const old = [...root.querySelectorAll(".pane")];
    [...drawn.children].forEach((pane, i) => {
      if (!old[i].contains(document.activeElement)) old[i].replaceWith(pane);
      else old[i].querySelector(".panel").replaceWith(pane.querySelector(".panel"));
    });
  });
}

// Draw the panes, let `place` put them into the page, and leave focus and scrolling as they were.
function redrawn(place) {
  const kept = { key: document.activeElement && document.activeElement.dataset.key, scrolled: scrolledPanels() };
  isolators.length = 0;
  hideTip();
  place(panesOf(roomOf(root)));
  restore(kept);
}

function roomOf(element) {
  const { paddingLeft, paddingRight } = getComputedStyle(element);
  return element.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
}

function scrolledPanels() {
  return [...root.querySelectorAll(".panel, .scroll, .tabs")].map(({ scrollLeft, scrollTop }) => [
    scrollLeft,
    scrollTop,
  ]);
}

function restore({ key, scrolled }) {
  [...root.querySelectorAll(".panel, .scroll, .tabs")].forEach((element, i) => {
    if (scrolled[i]) [element.scrollLeft, element.scrollTop] = scrolled[i];
  });
  const focused = key && root.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (focused && focused !== document.activeElement) focused.focus({ preventScroll: true });
}

function shared(drawn) {
  const view = presentView();
  const saving = view.drawn
    ? [
        ["svg", saveSvg],
        ["png", savePng],
      ].map(([kind, save]) =>
        make("button", { type: "button", class: "quiet", "data-key": kind, onclick: save }, say(`save.${kind}`)),
      )
    : null;
  return make(
    "div",
    { class: "shared" },
    make("p", { class: "about" }, aboutView(view, drawn)),
    view.units ? unitChoice() : null,
    make("span", { class: "saving" }, saving),
  );
}

const [GAP, PADDING, LEAST] = [20, 17, 420]; // as in the style sheet
const NARROWEST = 240; // pixels to draw in, also in a window that has no size yet

function paneColumns(width) {
  return clamp(Math.floor((width + GAP) / (LEAST + GAP)), 1, state.panes.length);
}

function paneWidth(width) {
  const columns = paneColumns(width);
  return Math.max(NARROWEST, Math.floor((width - GAP * (columns - 1)) / columns) - 2 * PADDING);
}

function panesOf(width) {
  const element = make(
    "div",
    { class: "panes", id: "panes", role: "tabpanel", "aria-labelledby": `tab-${presentView().name}` },
    panes().map((pane) => paneOf(pane, paneWidth(width))),
  );
  element.style.gridTemplateColumns = `repeat(${paneColumns(width)}, minmax(0, 1fr))`;
  return element;
}

function paneOf(pane, width) {
  const view = presentView();
  const output = make("output", { class: "readout", "aria-live": "polite" });
  pane.readout = (text) => {
    output.textContent = text;
  };
  const heading =
    HEAD.mode === "models"
      ? [
          make(
            "h2",
            {},
            word(pane.look.label || pane.look.name),
            make("span", { class: "faint" }, ` ${pane.look.family}`),
          ),
          textOf(pane.look),
        ]
      : [];
  const content = view.has(pane.look)
    ? [make("div", { class: "controls" }, view.controls(pane)), make("div", { class: "panel" }, view.show(pane, width))]
    : make("p", { class: "about" }, say("nothing"));
  return make("section", { class: "pane", "data-pane": pane.index }, heading, content, output);
}

function redraw() {
  requestAnimationFrame(show);
}

startTips();
state.view = presentView().name;
show();
document.addEventListener("keydown", pressed);
addEventListener("resize", redraw);
addEventListener("hashchange", () => {
  Object.assign(state, inAddress());
  show();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
