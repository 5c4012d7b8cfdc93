// What the first token looks at, from whose last state a classifier reads its answer; and that answer.

function pooledView(pane, width) {
  const { look, choice: chosen } = pane;
  const seen = seenBy(look, { ...chosen, stack: "encoder", map: "" }, state.unit);
  const drawn =
    seen.sides.columns.kind === "cells" ? pictureDrawing(seen, Math.min(width, 420)).svg : shadedWords(seen);
  return make("div", { class: "pooled" }, drawn, classBars(look.classes));
}

function shadedWords({ labels, special, rtl, columns, values }) {
  const first = values.subarray(0, columns);
  const top = largest(first);
  return make(
    "div",
    { class: "shaded", dir: rtl.columns ? "rtl" : null },
    labels.columns.map((text, j) => {
      const shade = make("span", { class: "shade" });
      shade.style.opacity = first[j] / top;
      return make(
        "span",
        {
          class: "shaded-word",
          tabindex: "0",
          "data-tip": `${text}: ${shownNumber(first[j])}`,
          "data-value": first[j].toFixed(4),
        },
        shade,
        word(text, { class: special.columns(j) ? "special" : null }),
        make("span", { class: "figure" }, shownNumber(first[j], 2)),
      );
    }),
  );
}

function classBars(classes) {
  if (!classes.length) return null;
  return make(
    "section",
    { class: "classes" },
    make("h3", {}, say("classes")),
    make(
      "ol",
      { class: "likely" },
      [...classes]
        .sort((a, b) => b[1] - a[1])
        .map(([name, probability]) =>
          make(
            "li",
            {},
            word(name, { class: "piece" }),
            bar(probability, "weight"),
            make("span", { class: "figure" }, shownPercent(probability)),
          ),
        ),
    ),
  );
}
