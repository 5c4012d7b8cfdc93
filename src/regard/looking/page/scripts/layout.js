// Where the words of the lines stand: in two rows, each in the direction of its text, or in two columns where there is
// little room.

const LETTERS = 15; // pixels
const LONGEST = 24; // characters of a word
const SPACE = 16; // pixels between two words
const NARROW = 600; // pixels, in which no row of words has room
const ROOMY = 900; // pixels, in which a row that is too long may scroll

function layoutOf(seen, width) {
  const { labels } = seen;
  const natural = Math.max(total(widthsOf(labels.rows)), total(widthsOf(labels.columns)));
  return width < NARROW || (width < ROOMY && natural > width) ? upright(seen, width) : level(seen, width);
}

function level({ labels, rtl, special }, width) {
  const widths = { rows: widthsOf(labels.rows), columns: widthsOf(labels.columns) };
  const natural = Math.max(total(widths.rows), total(widths.columns));
  const whole = Math.max(natural, Math.min(width, natural * 1.5));
  const [above, below] = [44, 300];
  const side = (name, y, note, port) =>
    centres(widths[name], whole)
      .map((x) => (rtl[name] ? whole - x : x))
      .map((x, i) => ({
        text: labels[name][i],
        shown: shortened(labels[name][i], LONGEST),
        x,
        y,
        middle: x,
        width: widths[name][i] - SPACE,
        rtl: rtl[name] && !special[name](i),
        anchor: "middle",
        note: { x, y: y + note, anchor: "middle" },
        port: { x, y: y + port },
      }));
  return {
    name: "level",
    width: Math.ceil(whole),
    height: below + 34,
    columns: side("columns", above, -22, 10),
    rows: side("rows", below, 25, -20),
    curve: (a, b) => `M${a.x} ${a.y}C${a.x} ${(a.y + b.y) / 2} ${b.x} ${(a.y + b.y) / 2} ${b.x} ${b.y}`,
  };
}

function upright({ labels, rtl, special }, width) {
  const longest = width < 450 ? LONGEST / 2 : LONGEST;
  const widths = { rows: widthsOf(labels.rows, longest), columns: widthsOf(labels.columns, longest) };
  const [left, right] = [Math.max(...widths.columns), Math.max(...widths.rows)];
  const room = 38; // for a number
  const whole = Math.max(width, left + right + 2 * room + 90);
  const height = 30 * Math.max(labels.rows.length, labels.columns.length);
  const side = (name, x, atEnd, note, port) =>
    centres(
      labels[name].map(() => 0),
      height,
    ).map((y, i) => ({
      text: labels[name][i],
      shown: shortened(labels[name][i], longest),
      x,
      y: y + 5,
      middle: x + ((atEnd ? -1 : 1) * (widths[name][i] - SPACE)) / 2,
      width: widths[name][i] - SPACE,
      rtl: rtl[name] && !special[name](i),
      anchor: atEnd === (rtl[name] && !special[name](i)) ? "start" : "end", // a text from right to left ends at the left
      note: { x: note, y: y + 5, anchor: "end" },
      port: { x: port, y },
    }));
  return {
    name: "upright",
    width: Math.ceil(whole),
    height: height + 8,
    columns: side("columns", room + left, true, room - 6, room + left + 8),
    rows: side("rows", whole - room - right, false, whole - 4, whole - room - right - 8),
    curve: (a, b) => `M${a.x} ${a.y}C${(a.x + b.x) / 2} ${a.y} ${(a.x + b.x) / 2} ${b.y} ${b.x} ${b.y}`,
  };
}

function widthsOf(labels, longest = LONGEST) {
  return labels.map((label) => widthOf(shortened(label, longest), LETTERS) + SPACE);
}

function total(widths) {
  return widths.reduce((sum, width) => sum + width, 0);
}

// The middles of things of these widths, spread evenly over `whole`.
function centres(widths, whole) {
  const extra = (whole - total(widths)) / widths.length;
  let end = 0;
  return widths.map((width) => {
    end += width + extra;
    return end - (width + extra) / 2;
  });
}
