// The words at both sides of the lines.

// A word; one that the model wrote has its probability as a tip, and a line under it, the stronger the less probable.
function wordAt({ text, shown, x, y, anchor, rtl, note, ...place }, special, probability = null) {
  const number = draw("text", { class: "number", x: note.x, y: note.y, "text-anchor": note.anchor });
  const label = draw(
    "text",
    {
      class: `label${special ? " special" : ""}`,
      x,
      y,
      "text-anchor": anchor,
      "font-size": LETTERS,
      direction: rtl ? "rtl" : null,
    },
    shown,
  );
  const told =
    probability === null ? null : say("probability", { word: isolated(text), value: shownPercent(probability) });
  const group = draw(
    "g",
    {
      class: "word",
      role: "button",
      tabindex: "-1",
      "aria-label": text,
      "aria-description": told,
      "data-tip": told,
    },
    label,
    told && doubt(place, y + 6, probability),
    number,
  );
  return { group, number };
}

function doubt({ middle, width }, y, probability) {
  const opacity = clamp(1 - probability, 0, 1).toFixed(3);
  return draw("line", {
    class: "doubt",
    x1: middle - width / 2,
    x2: middle + width / 2,
    y1: y,
    y2: y,
    "stroke-opacity": opacity,
  });
}

// In its own direction, within a text.
function isolated(text) {
  return `\u2068${text}\u2069`;
}

function unmark({ group, number }) {
  group.classList.remove("on");
  group.style.opacity = "";
  number.textContent = "";
}

function mark({ group, number }, weight) {
  group.style.opacity = clamp(0.4 + 2 * weight, 0.4, 1);
  number.textContent = weight >= 0.005 ? shownNumber(weight, 2) : "";
}
