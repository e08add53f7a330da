// Painting on canvases: panels of a map, its colour bar, and the curves of a pinned cell.

import { paintBars, paintValues } from "./bars.js";
import { colouring, columnsTo, placeOf, written } from "./data.js";
import { paintMarks, paintSpans, paintWords } from "./marks.js";
import { SIZE, FONT, prepared, rectOf, roundStep, widthOf, write } from "./pen.js";

export const LIGHT = {
  ink: "#1a1a1a", ground: "#ffffff", rule: "#8a8a8a", empty: "#f2f2f2", hatch: "#a6a6a6",
  pin: "#0b57d0", lit: "#c2185b", bar: "#4a6fa5", band: "#cfdcee", soft: "#757575",
};
export const DARK = {
  ink: "#ececec", ground: "#16181b", rule: "#7d7d7d", empty: "#26292d", hatch: "#5c6167",
  pin: "#8ab4ff", lit: "#ff7eb6", bar: "#7fa3d8", band: "#33445c", soft: "#949494",
};
const small = new OffscreenCanvas(1, 1); // a pixel per cell
const EQUAL = 0xffb0b0b0; // grey: a difference that rounding alone can explain

/** Where the panels stand on a canvas, and how tall it has to be. */
export function layoutOf(pen, map, width, seen) {
  const widest = (names) => names.reduce((most, n) => Math.max(most, widthOf(pen, n)), 0);
  const count = map.panels.length;
  const left = (map.y < 0 ? 56 : Math.min(120, widest(map.rowNames)) + 12) + (map.rowLabel || map.y < 0 ? 18 : 0);
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
  const tall = map.y < 0 ? 220 : Math.max(across > 1 ? 90 : 240, Math.min(rows * (across > 1 ? 9 : 15), 560));
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
  const across = seen[0] + (x - box.x) / box.w * (seen[1] - seen[0]);
  const column = map.edges ? map.edges.slice(1, -1).filter((edge) => edge <= across).length : Math.floor(across);
  return column < map.columns.length ? { panel, row, column } : null;
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
  if (map.scale) paintWords(pen, map, panel, box, seen);
  paintMarks(pen, map, panel, box, state, theme, at);
  pen.restore();
  if (!panel.title) paintSpans(pen, map, panel, box, seen, theme);
  pen.strokeStyle = theme.rule;
  pen.strokeRect(box.x, box.y, box.w, box.h);
  paintLabels(pen, map, panel, box, layout, seen, theme);
}

/** Labels of the rows at the left, of the columns under the lowest panel. */
function paintLabels(pen, map, panel, box, layout, seen, theme) {
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
  if (box.first && map.y < 0) paintValues(pen, map, panel, box, theme);
  if (!box.last) return;
  write(pen, map.columnLabel, box.x + box.w / 2, layout.height - 9, { fill: theme.ink, align: "center", room: box.w });
  if (map.edges) {
    for (const tick of panel.bars.along.ticks) {
      const x = box.x + (columnsTo(map, tick.at) - seen[0]) * layout.pitch;
      if (x >= box.x && x <= box.x + box.w) write(pen, tick.label, x, box.y + box.h + 12, { fill: theme.ink, align: "center" });
    }
    return;
  }
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
    const fill = map.faint.includes(c) ? theme.soft : theme.ink; // tokens of the chat template
    if (layout.flat) write(pen, map.columnNames[c], x, y + 6, { fill, align: "center" });
    else write(pen, map.columnNames[c], x, y, { fill, align: "right", turn: -Math.PI / 2, room: 110 });
  }
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
  paintAll(prepared(canvas, width, layout.height, theme), map, layout, width, state, theme);
  return layout;
}

/** All panels and the colour bar, by a pen that is ready. */
export function paintAll(pen, map, layout, width, state, theme) {
  map.panels.forEach((_, at) => paintPanel(pen, map, at, layout, state, theme));
  if (map.scale) paintBar(pen, map, layout, width, theme);
}

/** The pinned cell's row and its column as two lines. */
export function paintCurves(canvas, map, pin, theme) {
  const width = Math.max(320, canvas.clientWidth);
  const pen = prepared(canvas, width, 170, theme);
  const panel = map.panels[pin.panel];
  const half = (width - 120) / 2;
  const row = map.columns.map((_, c) => placeOf(map, panel, pin.row, c));
  const column = map.rows.map((_, r) => placeOf(map, panel, r, pin.column));
  const valuesOf = (places) => places.map((place) => map.values[place]);
  const name = (dim, place, shown) => `${map.dims[dim].noun} ${map.dims[dim].labels[place]}${shown === String(map.dims[dim].labels[place]) ? "" : `: ${shown}`}`;
  const { low: least, high: most } = map.known;
  const draw = (values, places, marked, x, w, title) => {
    const ends = least && most ? places.flatMap((place) => [least[place], most[place]]) : [];
    const known = [...values, ...ends].filter(Number.isFinite);
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
    if (ends.length) {
      pen.fillStyle = theme.band;
      const half = Math.max(1, w / values.length / 2);
      places.forEach((place, i) => {
        const [middle, top] = at(i, most[place]);
        if (Number.isFinite(top)) pen.fillRect(middle - half, top, 2 * half, Math.max(1, at(i, least[place])[1] - top));
      });
    }
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
  if (map.y < 0) { draw(valuesOf(row), row, pin.column, 55, 2 * half, map.label); return; }
  draw(valuesOf(row), row, pin.column, 55, half, `${name(map.y, map.rows[pin.row], map.rowNames[pin.row])}, along the ${map.dims[map.x].plural}`);
  draw(valuesOf(column), column, pin.row, 115 + half, half, `${name(map.x, map.columns[pin.column], map.columnNames[pin.column])}, along the ${map.dims[map.y].plural}`);
}
