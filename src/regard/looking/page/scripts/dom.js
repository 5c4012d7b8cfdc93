// Elements, made of names and texts: nothing in this page ever parses markup.

const SVG = "http://www.w3.org/2000/svg";

function make(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function draw(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

// A word of somebody's text: it runs in its own direction and leaves that of its neighbours alone.
function word(text, attributes = {}) {
  return make("bdi", { dir: "auto", ...attributes }, text);
}

const pen = document.createElement("canvas").getContext("2d");

function widthOf(text, size, weight = 400) {
  pen.font = `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;
  return pen.measureText(text).width;
}

function shortened(text, most) {
  const letters = Array.from(text);
  if (letters.length <= most) return text;
  const half = (most - 1) >> 1;
  return letters.slice(0, half).join("") + "…" + letters.slice(letters.length - (most - 1 - half)).join("");
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

function count(n) {
  return Array.from({ length: n }, (_, i) => i);
}

let lastId = 0;

function newId(name) {
  lastId += 1;
  return `${name}-${lastId}`;
}
