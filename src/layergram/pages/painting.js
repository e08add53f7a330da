// Painting on canvases: panels of a map, its colour bar, and the curves of a pinned cell.

import { colouring, placeOf, written } from "./data.js";

const FONT = "system-ui, 'Segoe UI', 'Noto Sans', 'Noto Sans CJK SC', sans-serif";
const SIZE = 12; // pixels of a label
export const LIGHT = {
  ink: "#1a1a1a", ground: "#ffffff", rule: "#8a8a8a", empty: "#f2f2f2", hatch: "#a6a6a6",
  pin: "#0b57d0", lit: "#c2185b", bar: "#4a6fa5",
};
export const DARK = {
  ink: "#ececec", ground: "#16181b", rule: "#7d7d7d", empty: "#26292d", hatch: "#5c6167",
  pin: "#8ab4ff", lit: "#ff7eb6", bar: "#7fa3d8",
};
const small = new OffscreenCanvas(1, 1); // a pixel per cell
const EQUAL = 0xffb0b0b0; // grey: a difference that rounding alone can explain

/** A canvas made ready: sharp on any screen, filled with the ground. */
function prepared(canvas, width, height, theme) {
  const ratio = window.devicePixelRatio || 1;
  const size = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== size[0] || canvas.height !== size[1]) {
    [canvas.width, canvas.height] = size; // takes new memory
    canvas.style.height = `${height}px`;
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = theme.ground;
  pen.fillRect(0, 0, width, height);
  pen.font = `${SIZE}px ${FONT}`;
  pen.lineWidth = 1;
  return pen;
}

const widths = new Map(); // of texts that were measured

/** How wide a label is. */
function widthOf(pen, text) {
  if (!widths.has(text)) {
    if (widths.size > 50000) widths.clear();
    widths.set(text, pen.measureText(text).width);
  }
  return widths.get(text);
}

/** A text, cut to `room` pixels. */
function write(pen, text, x, y, { fill, align = "left", turn = 0, room = 1e6 }) {
  let shown = text.replaceAll("\n", " ");
  if (room < 1e6 && widthOf(pen, shown) > room) {
    const signs = Array.from(shown).slice(0, 400);
    while (signs.length && pen.measureText(`${signs.join("")}…`).width > room) signs.pop();
    shown = `${signs.join("")}…`;
  }
  pen.save();
  pen.translate(x, y);
  pen.rotate(turn);
  pen.fillStyle = fill;
  pen.textAlign = align;
  pen.textBaseline = "middle";
  pen.fillText(shown, 0, 0);
  pen.restore();
}

/** 1, 2, 5, 10, 20 …: the first that is at least as large. */
function roundStep(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  return [1, 2, 5, 10].map((lead) => lead * power).find((step) => step >= least - 1e-9);
}

/** Where the panels stand on a canvas, and how tall it has to be. */
export function layoutOf(pen, map, width, seen) {
  const widest = (names) => names.reduce((most, n) => Math.max(most, widthOf(pen, n)), 0);
  const count = map.panels.length;
  const left = (map.y < 0 ? 46 : Math.min(120, widest(map.rowNames)) + 12) + (map.rowLabel ? 18 : 0);
  const right = map.scale ? 92 : 10;
  const across = Math.max(1, Math.min(map.across, count, Math.floor((width - left - right) / 150)));
  const gap = 16;
  const w = (width - left - right - gap * (across - 1)) / across;
  const shown = map.columnNames.slice(Math.floor(seen[0]), Math.ceil(seen[1]));
  const pitch = w / (seen[1] - seen[0]);
  const names = shown.slice(0, 2000);
  const flat = widest(names) + 6 <= pitch || names.every((name) => /^[−-]?[\d.]+$/.test(name));
  const below = (flat ? 20 : Math.min(110, widest(names)) + 12) + (map.columnLabel ? 18 : 0);
  const rows = map.rows.length;
  const tall = map.y < 0 ? 220 : Math.max(across > 1 ? 90 : 150, Math.min(rows * (across > 1 ? 9 : 15), 560));
  const top = 24;
  const lines = Math.ceil(count / across);
  const boxes = map.panels.map((_, at) => ({
    x: left + (at % across) * (w + gap),
    y: top + Math.floor(at / across) * (tall + top + 4),
    w,
    h: tall,
    first: at % across === 0,
    last: at + across >= count,
  }));
  return { boxes, flat, pitch, height: lines * (tall + top + 4) + below };
}

/** Which row and column of which panel lie under a point, or nothing. */
export function cellUnder(map, layout, seen, x, y) {
  const panel = layout.boxes.findIndex((b) => x >= b.x && x < b.x + b.w && y >= b.y && y < b.y + b.h);
  if (panel < 0) return null;
  const box = layout.boxes[panel];
  const down = Math.floor((y - box.y) / box.h * map.rows.length);
  const row = map.upwards ? map.rows.length - 1 - down : down;
  const column = Math.floor(seen[0] + (x - box.x) / box.w * (seen[1] - seen[0]));
  return column < map.columns.length ? { panel, row, column } : null;
}

/** The rectangle of a block of cells of a panel. */
function rectOf(map, box, seen, rows, columns) {
  const each = box.w / (seen[1] - seen[0]);
  const tall = box.h / map.rows.length;
  const top = map.upwards ? map.rows.length - 1 - rows[1] : rows[0];
  const x = box.x + (columns[0] - seen[0]) * each;
  return [x, box.y + top * tall, (columns[1] - columns[0] + 1) * each, (rows[1] - rows[0] + 1) * tall];
}

/** The colours of the cells that are seen; columns narrower than a pixel show their largest. */
function imageOf(map, panel, seen, width) {
  const { colourOf } = colouring(map.scale);
  const from = Math.floor(seen[0]);
  const to = Math.min(map.columns.length, Math.ceil(seen[1]));
  const wide = Math.max(1, Math.min(to - from, Math.floor(width)));
  const rows = map.rows.length;
  const image = new ImageData(wide, rows);
  const words = new Uint32Array(image.data.buffer);
  const centre = map.scale.kind === "diverging" ? map.scale.centre : -Infinity;
  const across = map.columns.map((column) => column * map.steps[map.x]);
  for (let row = 0; row < rows; row += 1) {
    const start = panel.start + (map.y < 0 ? 0 : map.rows[row] * map.steps[map.y]);
    const line = (map.upwards ? rows - 1 - row : row) * wide;
    for (let at = 0; at < wide; at += 1) {
      const first = from + Math.floor(at * (to - from) / wide);
      const last = from + Math.floor((at + 1) * (to - from) / wide);
      let best = NaN;
      let grey = true;
      for (let column = first; column < last; column += 1) {
        const value = map.values[start + across[column]];
        if (value !== value) continue;
        const farther = centre === -Infinity ? value > best : Math.abs(value - centre) > Math.abs(best - centre);
        if (best !== best || farther) best = value;
        grey &&= panel.equal !== null && panel.equal[row * map.columns.length + column] === 1;
      }
      if (best === best) words[line + at] = grey ? EQUAL : colourOf(best);
    }
  }
  return { image, from, to };
}

/** One panel with its axes and marks. */
function paintPanel(pen, map, at, layout, state, theme) {
  const { seen } = state;
  const panel = map.panels[at];
  const box = layout.boxes[at];
  write(pen, panel.title, box.x, box.y - 11, { fill: theme.ink, room: box.w });
  pen.save();
  pen.beginPath();
  pen.rect(box.x, box.y, box.w, box.h);
  pen.clip();
  pen.fillStyle = theme.empty;
  pen.fillRect(box.x, box.y, box.w, box.h);
  if (map.scale) {
    pen.strokeStyle = theme.hatch;
    pen.beginPath();
    for (let x = box.x - box.h; x < box.x + box.w; x += 6) { pen.moveTo(x, box.y + box.h); pen.lineTo(x + box.h, box.y); }
    pen.stroke();
    const { image, from, to } = imageOf(map, panel, seen, box.w * (window.devicePixelRatio || 1));
    if (small.width < image.width) small.width = image.width;
    if (small.height < image.height) small.height = image.height;
    small.getContext("2d").putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = false;
    const whole = rectOf(map, box, seen, [0, map.rows.length - 1], [from, to - 1]);
    pen.drawImage(small, 0, 0, image.width, image.height, ...whole);
  } else paintBars(pen, map, panel, box, seen, theme);
  paintMarks(pen, map, panel, box, state, theme, at);
  pen.restore();
  pen.strokeStyle = theme.rule;
  pen.strokeRect(box.x, box.y, box.w, box.h);
  paintLabels(pen, map, box, layout, seen, theme);
}

/** The least and the largest of a panel's values, and no effect. */
function rangeOf(map, panel) {
  const values = map.columns.map((_, c) => map.values[placeOf(map, panel, 0, c)]).filter(Number.isFinite);
  const [low, high] = values.reduce(([l, h], v) => [Math.min(l, v), Math.max(h, v)], [0, 0]);
  return low < high ? [low, high] : [low, low + 1];
}

/** A map of one axis: a bar per cell. */
function paintBars(pen, map, panel, box, seen, theme) {
  const [low, high] = rangeOf(map, panel);
  const y = (value) => box.y + box.h - (value - low) / (high - low) * box.h * 0.95;
  pen.fillStyle = theme.bar;
  for (let c = Math.floor(seen[0]); c < Math.min(map.columns.length, seen[1]); c += 1) {
    const value = map.values[placeOf(map, panel, 0, c)];
    if (!Number.isFinite(value)) continue;
    const [x, , w] = rectOf(map, box, seen, [0, 0], [c, c]);
    pen.fillRect(x + w * 0.1, Math.min(y(0), y(value)), Math.max(w * 0.8, 0.5), Math.abs(y(value) - y(0)));
  }
  for (const value of [low, high]) {
    write(pen, written(value, 2), box.x + 4, Math.min(y(value) + 8, box.y + box.h - 8), { fill: theme.ink });
  }
}

/** Dots, marked regions, the answer's beginning, the cells of a sentence, the pinned cell. */
function paintMarks(pen, map, panel, box, state, theme, at) {
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
    pen.strokeStyle = theme.ink; pen.setLineDash([4, 3]);
    pen.beginPath(); pen.moveTo(x, box.y); pen.lineTo(x, box.y + box.h); pen.stroke();
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

/** Labels of the rows at the left, of the columns under the lowest panel. */
function paintLabels(pen, map, box, layout, seen, theme) {
  const tall = box.h / map.rows.length;
  if (box.first && map.y >= 0) {
    const step = roundStep(Math.max(1, (SIZE + 2) / tall));
    const counted = map.rowNames.every((name) => /^\d+$/.test(name));
    map.rowNames.forEach((name, row) => {
      if ((counted ? Number(name) : row) % step) return;
      const [, y] = rectOf(map, box, seen, [row, row], [0, 0]);
      write(pen, name, box.x - 6, y + tall / 2, { fill: theme.ink, align: "right", room: 120 });
    });
    write(pen, map.rowLabel, 10, box.y + box.h / 2, { fill: theme.ink, align: "center", turn: -Math.PI / 2, room: box.h });
  }
  if (!box.last) return;
  const from = Math.floor(seen[0]);
  const to = Math.min(map.columns.length, Math.ceil(seen[1]));
  const room = layout.flat ? Math.max(...map.columnNames.slice(from, to).slice(0, 2000).map((n) => widthOf(pen, n))) + 6 : SIZE + 2;
  const step = roundStep(Math.max(1, room / layout.pitch));
  const numbers = step > 1 && typeof map.dims[map.x].labels[0] === "number";
  for (let c = from; c < to; c += 1) {
    if ((numbers ? map.dims[map.x].labels[map.columns[c]] : c) % step) continue;
    const x = box.x + (c + 0.5 - seen[0]) * layout.pitch;
    if (x < box.x || x > box.x + box.w) continue;
    const y = box.y + box.h + 6;
    if (layout.flat) write(pen, map.columnNames[c], x, y + 6, { fill: theme.ink, align: "center" });
    else write(pen, map.columnNames[c], x, y, { fill: theme.ink, align: "right", turn: -Math.PI / 2, room: 110 });
  }
  write(pen, map.columnLabel, box.x + box.w / 2, layout.height - 9, { fill: theme.ink, align: "center", room: box.w });
}

/** The colour bar, as the figure planned it. */
function paintBar(pen, map, layout, width, theme) {
  const { colours, ticks, label } = map.scale;
  const { shareOf } = colouring(map.scale);
  const { y, h } = layout.boxes[0];
  const x = width - 80;
  const each = h / colours.length;
  colours.forEach((colour, at) => {
    pen.fillStyle = colour;
    pen.fillRect(x, y + h - (at + 1) * each, 12, each + 0.5);
  });
  for (const tick of ticks) {
    const place = y + h - Math.max(0, Math.min(1, shareOf(tick.at))) * h;
    write(pen, tick.label, x + 16, place, { fill: theme.ink, room: 46 });
  }
  write(pen, label, width - 9, y + h / 2, { fill: theme.ink, align: "center", turn: -Math.PI / 2, room: h + 30 });
}

/** Everything on the large canvas. */
export function paint(canvas, map, state, theme) {
  const width = Math.max(320, canvas.clientWidth);
  const measuring = canvas.getContext("2d");
  measuring.font = `${SIZE}px ${FONT}`;
  const layout = layoutOf(measuring, map, width, state.seen);
  const pen = prepared(canvas, width, layout.height, theme);
  map.panels.forEach((_, at) => paintPanel(pen, map, at, layout, state, theme));
  if (map.scale) paintBar(pen, map, layout, width, theme);
  return layout;
}

/** The pinned cell's row and its column as two lines. */
export function paintCurves(canvas, map, pin, theme) {
  const width = Math.max(320, canvas.clientWidth);
  const pen = prepared(canvas, width, 170, theme);
  const panel = map.panels[pin.panel];
  const half = (width - 120) / 2;
  const row = map.columns.map((_, c) => map.values[placeOf(map, panel, pin.row, c)]);
  const column = map.rows.map((_, r) => map.values[placeOf(map, panel, r, pin.column)]);
  const name = (dim, place, shown) => `${map.dims[dim].noun} ${map.dims[dim].labels[place]}${shown === String(map.dims[dim].labels[place]) ? "" : `: ${shown}`}`;
  const draw = (values, marked, x, w, title) => {
    const known = values.filter(Number.isFinite);
    write(pen, title, x, 12, { fill: theme.ink, room: w });
    if (!known.length) {
      write(pen, "no value", x + w / 2, 90, { fill: theme.ink, align: "center" });
      return;
    }
    let [low, high] = known.reduce(([l, h], v) => [Math.min(l, v), Math.max(h, v)], [Infinity, -Infinity]);
    if (low === high) [low, high] = [low - 1, high + 1];
    const at = (i, v) => [x + (i + 0.5) / values.length * w, 150 - (v - low) / (high - low) * 120];
    pen.strokeStyle = theme.rule;
    pen.strokeRect(x, 26, w, 128);
    write(pen, written(high, 3), x - 5, 30, { fill: theme.ink, align: "right" });
    write(pen, written(low, 3), x - 5, 150, { fill: theme.ink, align: "right" });
    pen.strokeStyle = theme.bar; pen.lineWidth = 1.5;
    pen.beginPath();
    let gap = true;
    values.forEach((v, i) => {
      if (!Number.isFinite(v)) { gap = true; return; }
      if (gap) pen.moveTo(...at(i, v)); else pen.lineTo(...at(i, v));
      const alone = gap && !Number.isFinite(values[i + 1]);
      if (alone) pen.arc(...at(i, v), 1, 0, 7);
      gap = false;
    });
    pen.stroke();
    if (Number.isFinite(values[marked])) {
      pen.fillStyle = theme.pin;
      pen.beginPath(); pen.arc(...at(marked, values[marked]), 4, 0, 7); pen.fill();
    }
  };
  if (map.y < 0) { draw(row, pin.column, 55, 2 * half, map.label); return; }
  draw(row, pin.column, 55, half, `${name(map.y, map.rows[pin.row], map.rowNames[pin.row])}, along the ${map.dims[map.x].plural}`);
  draw(column, pin.row, 115 + half, half, `${name(map.x, map.columns[pin.column], map.columnNames[pin.column])}, along the ${map.dims[map.y].plural}`);
}
