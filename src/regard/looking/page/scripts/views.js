// The views, in the order of their digits; one without data is not offered.

const attends = (look) => stacksOf(look).length > 0;

const VIEWS = [
  { name: "lines", has: attends, show: linesView, controls: matrixControls, units: true, drawn: true },
  {
    name: "matrix",
    has: attends,
    show: matrixView,
    controls: (pane) => [matrixControls(pane), besideSwitch(pane)],
    units: true,
    drawn: true,
  },
  { name: "heads", has: attends, show: headsView, controls: stackChoice, drawn: true },
  { name: "way", has: (look) => look.ways.length > 0, show: wayView, controls: wayControls },
  { name: "next", has: (look) => Boolean(look.choices), show: nextView, controls: temperatureSlider },
  { name: "beam", has: (look) => Boolean(look.tree), show: beamView, controls: () => null, drawn: true },
  {
    name: "pooled",
    has: (look) => !look.target && Boolean(look.stacks.encoder),
    show: pooledView,
    controls: headChoices,
    units: true,
  },
].filter((view) => LOOKS.some(view.has));

function presentView() {
  return VIEWS.find(({ name }) => name === state.view) || VIEWS[0];
}

// What there is to see, as it was drawn.
function aboutView({ name }, drawn) {
  const has = (kind) => drawn.querySelector(`.${kind}`);
  if (has("pictured")) return say("about.picture");
  if (has("gallery")) return say("about.gallery");
  const about = say(has("upright") ? "about.lines.upright" : `about.${name}`);
  return has("doubt") ? `${about} ${say("about.doubt")}` : about;
}

function tabs() {
  const present = presentView();
  const tab = (view) =>
    make(
      "button",
      {
        type: "button",
        role: "tab",
        id: `tab-${view.name}`,
        "aria-selected": String(view === present),
        "aria-controls": "panes",
        tabindex: view === present ? "0" : "-1",
        "data-key": `tab-${view.name}`,
        onclick: () => change({ view: view.name }),
        onkeydown: (event) => moveTab(event, view),
      },
      say(`view.${view.name}`),
    );
  return make("div", { class: "tabs", role: "tablist", "data-key": "tabs" }, VIEWS.map(tab));
}

function moveTab(event, view) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step || event.shiftKey) return;
  event.preventDefault();
  event.stopPropagation();
  const next = VIEWS[(VIEWS.indexOf(view) + step + VIEWS.length) % VIEWS.length];
  change({ view: next.name });
  document.getElementById(`tab-${next.name}`).focus();
}
