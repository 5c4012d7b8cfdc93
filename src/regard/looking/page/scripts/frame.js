// What stands above the views: title, switches, and the slider over checkpoints.

let playing = null;

function header() {
  const look = HEAD.mode === "models" ? null : LOOKS[state.look];
  const button = (key, text, action, label) =>
    make(
      "button",
      { type: "button", class: "quiet", "data-key": key, onclick: action, "aria-label": label, title: label },
      text,
    );
  const theme = `${say("theme")}: ${say(`theme.${state.theme}`)}`;
  return make(
    "header",
    {},
    make(
      "div",
      { class: "titles" },
      make("h1", {}, word(HEAD.title)),
      look && make("p", { class: "faint" }, `${look.name} · ${look.family}`),
    ),
    make(
      "div",
      { class: "switches" },
      button("theme", theme, nextTheme),
      button("language", say("language"), nextLanguage),
      button("keys", "?", openKeys, say("keys")),
    ),
    look && textOf(look),
  );
}

// What a model wrote, where that is not what the page is called after.
function textOf({ text }) {
  return text === HEAD.title ? null : make("p", { class: "text", dir: "auto" }, text);
}

function nextTheme() {
  change({ theme: after(THEMES, state.theme) });
}

function nextLanguage() {
  change({ language: after(LANGUAGES, state.language) });
}

function stepSlider() {
  if (HEAD.mode !== "steps") return null;
  return make(
    "div",
    { class: "steps" },
    make("button", { type: "button", "data-key": "play", onclick: play }, say(playing ? "pause" : "play")),
    slider(
      "step",
      say("step"),
      LOOKS.map((look) => look.label),
      state.look,
      (look) => change({ look }, showBelow),
    ),
  );
}

function toLook(look) {
  if (HEAD.mode === "steps") change({ look: clamp(look, 0, LOOKS.length - 1) });
}

// Go through the checkpoints once, a second each; from the first, if the last is shown.
function play() {
  clearInterval(playing);
  const start = !playing;
  playing = null;
  if (start) {
    if (state.look === LOOKS.length - 1) state.look = -1;
    playing = setInterval(further, 1000);
    further();
  } else show();
}

function further() {
  if (state.look + 1 >= LOOKS.length - 1) {
    clearInterval(playing);
    playing = null;
  }
  toLook(state.look + 1);
}
