// Marks on the cells of a panel, and the words in them.

import { colouring, placeOf } from "./data.js";
import { inkOn, rectOf, write } from "./pen.js";

/** The likeliest token of each cell, where cells are large enough to read it. */
export function paintWords(pen, map, panel, box, seen) {
  const [, , w, h] = rectOf(map, box, seen, [0, 0], [0, 0]);
  if (!map.worded || !map.top || w < 28 || h < 11) return;
  const { colourOf } = colouring(map.scale);
  for (let row = 0; row < map.rows.length; row += 1) {
    for (let c = Math.floor(seen[0]); c < Math.min(map.columns.length, seen[1]); c += 1) {
      const at = placeOf(map, panel, row, c);
      if (!Number.isFinite(map.values[at])) continue;
      const [x, y] = rectOf(map, box, seen, [row, row], [c, c]);
      const fill = inkOn(colourOf(map.values[at]));
      write(pen, map.top.words[map.top.index[at]].trim(), x + w / 2, y + h / 2, { fill, align: "center", room: w - 4 });
    }
  }
}

/** What the parts of the text are, above them. */
export function paintSpans(pen, map, panel, box, seen, theme) {
  for (const { first, last, label } of panel.spans) {
    const from = Math.max(first, seen[0]);
    const to = Math.min(last + 1, seen[1]);
    if (to <= from) continue;
    const [x, , w] = rectOf(map, box, seen, [0, 0], [from, to - 1]);
    write(pen, label, x + w / 2, box.y - 11, { fill: theme.ink, align: "center", room: w });
  }
}

/** Dots, marked regions, the answer's beginning, the cells of a sentence, the pinned cell. */
export function paintMarks(pen, map, panel, box, state, theme, at) {
  const { seen, pin, blocks } = state;
  const rect = (rows, columns) => rectOf(map, box, seen, rows, columns);
  const [, , w, h] = rect([0, 0], [0, 0]);
  if (panel.significant && w > 4 && h > 4) {
    for (let row = 0; row < map.rows.length; row += 1) {
      for (let c = Math.floor(seen[0]); c < Math.min(map.columns.length, seen[1]); c += 1) {
        if (!panel.significant[row * map.columns.length + c]) continue;
        const [x, y] = rect([row, row], [c, c]);
        pen.beginPath();
        pen.arc(x + w / 2, y + h / 2, Math.min(w, h, 12) * 0.16, 0, 7);
        pen.fillStyle = "#000"; pen.strokeStyle = "#fff";
        pen.fill(); pen.stroke();
      }
    }
  }
  const outline = (rows, columns, colour, dash = []) => {
    for (const [stroke, wide] of [[theme.ground, 5], [colour, 2.5]]) {
      pen.strokeStyle = stroke; pen.lineWidth = wide; pen.setLineDash(dash);
      pen.strokeRect(...rect(rows, columns));
    }
    pen.setLineDash([]); pen.lineWidth = 1;
  };
  for (const region of panel.regions) {
    outline(region.rows, region.columns, theme.ink, region.chosen === "best" ? [5, 3] : []);
  }
  for (const span of panel.spans.slice(1)) {
    const [x] = rect([0, 0], [span.first, span.first]);
    for (const [stroke, dash] of [[theme.ground, []], [theme.ink, [4, 3]]]) {
      pen.strokeStyle = stroke; pen.setLineDash(dash);
      pen.beginPath(); pen.moveTo(x, box.y); pen.lineTo(x, box.y + box.h); pen.stroke();
    }
    pen.setLineDash([]);
  }
  for (const block of blocks) {
    for (const [rows, columns] of rectsOf(map, panel, block)) outline(rows, columns, theme.lit);
  }
  if (pin && pin.panel === at) outline([pin.row, pin.row], [pin.column, pin.column], theme.pin);
}

/** The cells of a sentence in one panel: runs of rows with runs of columns. */
function rectsOf(map, panel, block) {
  const within = (runs, place) => runs === null || runs.some(([from, to]) => from <= place && place <= to);
  if (!panel.facet.every(([dim, place]) => within(block[dim], place))) return [];
  const runsOf = (places, runs) => {
    const found = [];
    places.forEach((place, at) => {
      if (!within(runs, place)) return;
      if (found.length && found[found.length - 1][1] === at - 1) found[found.length - 1][1] = at;
      else found.push([at, at]);
    });
    return found;
  };
  const columns = runsOf(map.columns, block[map.x]);
  const rows = map.y < 0 ? [[0, 0]] : runsOf(map.rows, block[map.y]);
  return rows.flatMap((row) => columns.map((column) => [row, column]));
}
