// What the page itself says, in the language that was chosen or that the browser prefers.

const TEXTS = JSON.parse(document.getElementById("texts").textContent);
const LANGUAGES = Object.keys(TEXTS);

function preferredLanguage() {
  const wanted = (navigator.languages || [navigator.language]).map((tag) => tag.slice(0, 2));
  return wanted.find((tag) => LANGUAGES.includes(tag)) || LANGUAGES[0];
}

function say(key, values = {}) {
  return TEXTS[state.language][key].replace(/\{([\w-]+)\}/g, (_, name) => values[name]);
}

// The name of a summary; one that has no translation stays as it is.
function summaryName(name) {
  const key = `summary.${name}`;
  return Object.hasOwn(TEXTS[state.language], key) ? say(key) : name;
}

function shownNumber(value, digits = 3) {
  return Number.isFinite(value) ? value.toFixed(digits).replace("-", "−") : "–";
}

function shownPercent(value) {
  return `${(100 * value).toFixed(value < 0.0995 ? 1 : 0)} %`;
}
