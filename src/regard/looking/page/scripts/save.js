// The drawings of the present view as a file that opens elsewhere: every style is written into its elements.

const KEPT = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-width",
  "stroke-opacity",
  "stroke-dasharray",
  "stop-color",
  "opacity",
  "visibility",
  "display",
  "font-family",
  "font-size",
  "font-weight",
  "text-anchor",
  "direction",
  "image-rendering",
  "unicode-bidi",
];
const SPACE_BETWEEN = 24;

function drawings() {
  return [...document.querySelectorAll("#page .panel svg")];
}

// All drawings side by side in one, on the page's own ground.
function savedDrawing() {
  const copies = drawings().map(standalone);
  let x = SPACE_BETWEEN;
  for (const copy of copies) {
    copy.setAttribute("x", x);
    copy.setAttribute("y", SPACE_BETWEEN);
    x += Number(copy.getAttribute("width")) + SPACE_BETWEEN;
  }
  const height = Math.max(...copies.map((copy) => Number(copy.getAttribute("height")))) + 2 * SPACE_BETWEEN;
  return draw(
    "svg",
    { xmlns: SVG, width: x, height, viewBox: `0 0 ${x} ${height}` },
    draw("rect", { width: "100%", height: "100%", fill: colour("panel") }),
    copies,
  );
}

function standalone(svg) {
  const copy = svg.cloneNode(true);
  const originals = [svg, ...svg.querySelectorAll("*")];
  [copy, ...copy.querySelectorAll("*")].forEach((element, i) => {
    const style = getComputedStyle(originals[i]);
    element.setAttribute("style", KEPT.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";"));
    if (element.dataset.tip) element.append(draw("title", {}, element.dataset.tip));
    for (const { name } of [...element.attributes])
      if (/^(class|tabindex|role|aria-|data-)/.test(name)) element.removeAttribute(name);
  });
  return copy;
}

function svgFile() {
  return new Blob([new XMLSerializer().serializeToString(savedDrawing())], { type: "image/svg+xml" });
}

function saveSvg() {
  download(svgFile(), "svg");
}

function savePng() {
  const drawing = savedDrawing();
  const image = new Image();
  const url = URL.createObjectURL(
    new Blob([new XMLSerializer().serializeToString(drawing)], { type: "image/svg+xml" }),
  );
  image.onload = () => {
    const [width, height] = ["width", "height"].map((name) => Number(drawing.getAttribute(name)));
    const canvas = make("canvas", { width: 2 * width, height: 2 * height });
    canvas.getContext("2d").drawImage(image, 0, 0, 2 * width, 2 * height);
    URL.revokeObjectURL(url);
    canvas.toBlob((blob) => download(blob, "png"));
  };
  image.src = url;
}

function download(blob, suffix) {
  const url = URL.createObjectURL(blob);
  const link = make("a", { href: url, download: `regard-${state.view}.${suffix}` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
