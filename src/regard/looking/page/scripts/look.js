// What is seen of one look: which texts stand at the sides of a matrix, and the matrix in words or in pieces.

const STACKS = ["encoder", "decoder", "cross"];

function stacksOf(look) {
  return STACKS.filter((stack) => look.stacks[stack]);
}

function sizesOf(look, stack) {
  const [layers, heads] = look.stacks[stack].weights.shape;
  return { layers, heads };
}

function sidesOf(look, stack) {
  const target = look.target || look.source;
  if (stack === "encoder") return { rows: look.source, columns: look.source };
  if (stack === "cross") return { rows: target, columns: look.source };
  return { rows: target, columns: look.fed || target };
}

function stackName(look, stack) {
  if (stack === "encoder" && look.source.kind === "cells") return say("stack.picture");
  return say(look.target ? `stack.${stack}` : "stack.alone");
}

function whereName({ layer, head, map }) {
  if (map) return summaryName(map);
  if (!layer && !head) return `${say("all layers")}, ${say("all heads")}`;
  if (!layer) return `${say("all layers")}, ${say("head n", { n: head })}`;
  if (!head) return `${say("layer n", { n: layer })}, ${say("all heads")}`;
  return say("where", { layer, head });
}

// A token's group is the numbers of its pieces; a cell of a picture, or a piece, is one alone.
function sideIn(unit, side) {
  if (side.kind === "cells") return { labels: cellLabels(side), groups: null, special: () => false, rtl: false };
  const { pieces, words, groups, specials, rtl } = side;
  if (unit === "words")
    return { labels: words, groups, special: (i) => groups[i].every((place) => specials.includes(place)), rtl };
  return { labels: pieces, groups: null, special: (i) => specials.includes(i), rtl };
}

// The probability that the model gave to each word or piece that it wrote: of a word, the product of its pieces'.
function probabilitiesIn(unit, look) {
  if (!look.log_probabilities) return null;
  const logs = numbers(look.log_probabilities);
  const groups = unit === "words" ? look.target.groups : count(logs.length).map((i) => [i]);
  return groups.map((group) => Math.exp(group.reduce((sum, place) => sum + logs[place], 0)));
}

function cellLabels({ rows, columns, before }) {
  const cells = count(rows * columns).map((i) => `${Math.floor(i / columns) + 1}·${(i % columns) + 1}`);
  return [...before, ...cells];
}

// The matrix that a pane has chosen: labels, values, hidden cells, and the sides that it stands between.
function seenBy(look, { stack, layer, head, map }, unit) {
  const sides = sidesOf(look, stack);
  const rows = sideIn(unit, sides.rows);
  const columns = sideIn(unit, sides.columns);
  const { weights, hidden } = look.stacks[stack];
  const matrix = map ? summaryOf(look, map) : meanOfHeads(weights, layer, head);
  matrix.hidden = hidden ? numbers(hidden) : new Uint8Array(matrix.values.length);
  return {
    ...merged(matrix, rows.groups, columns.groups),
    labels: { rows: rows.labels, columns: columns.labels },
    special: { rows: rows.special, columns: columns.special },
    rtl: { rows: rows.rtl, columns: columns.rtl },
    probabilities: sides.rows === look.target ? probabilitiesIn(unit, look) : null,
    sides,
  };
}

function summaryOf(look, name) {
  const reference = look.summaries[name];
  const [rows, columns] = reference.shape;
  return { rows, columns, values: numbers(reference) };
}

// Words from pieces: the sum over the looked-at word's, the mean over the looking word's. A cell is hidden if all are.
function merged(matrix, rowGroups, columnGroups) {
  if (!rowGroups && !columnGroups) return matrix;
  const down = rowGroups || count(matrix.rows).map((i) => [i]);
  const across = columnGroups || count(matrix.columns).map((i) => [i]);
  const values = new Float32Array(down.length * across.length);
  const hidden = new Uint8Array(values.length).fill(1);
  down.forEach((rows, i) =>
    across.forEach((columns, j) => {
      const cell = i * across.length + j;
      for (const row of rows)
        for (const column of columns) {
          values[cell] += matrix.values[row * matrix.columns + column] / rows.length;
          hidden[cell] &= matrix.hidden[row * matrix.columns + column];
        }
    }),
  );
  return { rows: down.length, columns: across.length, values, hidden };
}

function largest(values) {
  return values.reduce((most, value) => (value > most ? value : most), 1e-9);
}
