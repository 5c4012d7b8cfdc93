// The likeliest next tokens: a row of all positions, of which one is chosen, and the tokens of that one below it.

function nextView(pane) {
  const { look } = pane;
  const place = placeIn(look);
  return make(
    "div",
    { class: "next" },
    positionButtons(pane, place),
    make(
      "section",
      { class: "card" },
      make(
        "h3",
        {},
        make("span", { class: "faint" }, `${say(readsGaps(look) ? "next.gap" : "next.after")} `),
        word((look.fed || look.source).pieces[place]),
        writtenHere(look, place),
      ),
      likeliest(look, place),
    ),
  );
}

// An encoder says what may stand at a place, and not what comes after it.
function readsGaps(look) {
  return !look.target && Boolean(look.stacks.encoder);
}

function placeIn(look) {
  return clamp(state.place, 0, look.choices.pieces.length - 1);
}

// The token that is predicted at a place; after the last one of a text, there is none yet.
function predicted(look, place) {
  const side = look.target || look.source;
  const at = look.target || readsGaps(look) ? place : place + 1;
  return { text: side.pieces[at], special: side.specials.includes(at) };
}

// The text as buttons, under each word how probable it was. Of these only the chosen one is reached with Tab.
function positionButtons({ look, index }, chosen) {
  const { rtl } = look.target || look.source;
  const options = count(look.choices.pieces.length).map((place) => predicted(look, place));
  const button = ({ text, special }, place) => {
    const written = writtenAt(look, place);
    return make(
      "button",
      {
        type: "button",
        class: "position",
        "aria-pressed": String(place === chosen),
        tabindex: place === chosen ? "0" : "-1",
        "data-key": `position-${index}-${place}`,
        onclick: () => change({ place }, showPanels),
        onkeydown: (event) => movePosition(event, index, place, options.length, rtl),
      },
      word(text || "…", { class: special || !text ? "special" : null }),
      written && [
        bar(written.probability, "weight"),
        make("span", { class: "figure", dir: "ltr" }, shownPercent(written.probability)),
      ],
    );
  };
  return make(
    "div",
    { class: "positions scroll", role: "group", "aria-label": say("token"), dir: rtl ? "rtl" : null },
    options.map(button),
  );
}

function movePosition(event, index, place, most, rtl) {
  const step = { ArrowLeft: rtl ? 1 : -1, ArrowRight: rtl ? -1 : 1 }[event.key];
  if (!step || event.shiftKey) return;
  event.preventDefault();
  event.stopPropagation();
  const next = clamp(place + step, 0, most - 1);
  change({ place: next }, showPanels);
  root.querySelector(`[data-key="position-${index}-${next}"]`).focus();
}

function writtenHere(look, place) {
  const written = writtenAt(look, place);
  if (!written) return null;
  return [
    make("span", { class: "faint" }, ` ${say(look.target ? "next.written" : "next.there")} `),
    word(written.piece),
    make("span", { class: "faint figure" }, ` ${shownPercent(written.probability)}`),
  ];
}

// What the text has at the place that is predicted, with its number among the likeliest (−1: it is not) and its
// probability at the chosen temperature. Of a text with gaps, and where the page cannot know it, nothing.
function writtenAt(look, place) {
  const { pieces, logits } = look.choices;
  const piece = readsGaps(look) ? null : predicted(look, place).text;
  if (!piece) return null;
  const row = rowOf(logits, place);
  const exact = logitOfWritten(look, place);
  let k = pieces[place].indexOf(piece);
  if (k < 0 && exact !== null) k = row.findIndex((logit) => Math.abs(logit - exact) < 1e-4);
  if (k < 0 && exact === null) return null;
  const logit = k < 0 ? exact : row[k];
  return { piece, k, logit, probability: probabilityOf(look, place, logit) };
}

// log P = logit − normaliser, where the temperature is 1.
function logitOfWritten({ log_probabilities: logs, choices: { temperatures, normalisers } }, place) {
  const one = temperatures.indexOf(1);
  return logs && one >= 0 ? floatsAt(logs.at + 4 * place, 1)[0] + rowOf(normalisers, place)[one] : null;
}

// P(piece) = exp(logit / τ − normaliser), exact for the whole vocabulary.
function probabilityOf({ choices: { temperatures, normalisers } }, place, logit) {
  const at = nearest(temperatures, state.temperature);
  return Math.exp(logit / temperatures[at] - rowOf(normalisers, place)[at]);
}

function likeliest(look, place) {
  const row = rowOf(look.choices.logits, place);
  const written = writtenAt(look, place);
  const likely = look.choices.pieces[place].map((piece, k) => ({ piece, k, logit: row[k] }));
  const item = ({ piece, k, logit }) => {
    const probability = probabilityOf(look, place, logit);
    const told = written && written.k === k;
    return make(
      "li",
      {
        class: told ? (k < 0 ? "told apart" : "told") : null,
        "data-tip": say("logit", { value: shownNumber(logit, 2) }),
        "data-probability": probability.toFixed(5),
      },
      word(piece, { class: "piece" }),
      bar(probability, "weight"),
      make("span", { class: "figure" }, shownPercent(probability)),
    );
  };
  return make("ol", { class: "likely" }, likely.map(item), written && written.k < 0 ? item(written) : null);
}

function nearest(values, wanted) {
  return values.reduce((best, value, i) => (Math.abs(value - wanted) < Math.abs(values[best] - wanted) ? i : best), 0);
}

function temperatureSlider(pane) {
  const { temperatures } = pane.look.choices;
  const at = nearest(temperatures, state.temperature);
  const texts = temperatures.map((temperature) => `τ = ${temperature}`);
  const move = (i) => change({ temperature: temperatures[i] }, showPanels);
  return slider(`temperature-${pane.index}`, say("temperature"), texts, at, move);
}
