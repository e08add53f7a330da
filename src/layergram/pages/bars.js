// Maps of one axis: a bar or a point of a line per cell, its interval, and marked values.

import { columnsTo, placeOf } from "./data.js";
import { rectOf, write } from "./pen.js";
import { endsOf, ticksOf } from "./scale.js";

/** The axis of values: as the figure planned it, or wider where a value that came lies beyond it. */
function axisOf(map, panel) {
  const { limits, ticks, growth } = panel.bars.axis;
  const [least, most] = endsOf(map.columns.map((_, c) => map.values[placeOf(map, panel, 0, c)]));
  if (!(least < limits[0] || most > limits[1])) return panel.bars.axis;
  const ends = [Math.min(least, limits[0]), Math.max(most, limits[1])];
  return { growth, limits: ends, ticks: growth === "log" ? ticks : ticksOf(...ends, {}) };
}

/** Where a value lies in a box. */
function heightOf(box, { limits: [low, high], growth }) {
  const share = growth === "log"
    ? (value) => Math.log(value / low) / Math.log(high / low)
    : (value) => (value - low) / (high - low);
  return (value) => box.y + box.h * (1 - Math.max(0, Math.min(1, share(value))));
}

/** A bar; one that is not filled has an outline. */
function paintOneBar(pen, x, y, w, h, { colour, filled }) {
  pen.fillStyle = colour;
  pen.strokeStyle = colour;
  if (filled) pen.fillRect(x, y, w, h);
  else pen.strokeRect(x + 0.5, y + 0.5, Math.max(w - 1, 0.5), Math.max(h - 1, 0.5));
}

/** Single observations: many on one place are darker. */
function paintPoints(pen, points, xOf, y, theme) {
  pen.globalAlpha = Math.min(0.25, Math.max(0.07, 100 / points.length));
  pen.fillStyle = theme.ink;
  for (const [across, up] of points) {
    pen.beginPath(); pen.arc(xOf(across), y(up), 2.5, 0, 7); pen.fill();
  }
  pen.globalAlpha = 1;
}

/** The cells of a map of one axis. */
export function paintBars(pen, map, panel, box, seen, theme) {
  const { look, kinds, kindOf, baseline, limits, at: places, points } = panel.bars;
  const axis = axisOf(map, panel);
  const y = heightOf(box, axis);
  const { low, high } = map.known;
  const own = { colour: theme.bar, filled: true };
  const across = (at, dash) => {
    pen.strokeStyle = theme.ink; pen.setLineDash(dash);
    pen.beginPath(); pen.moveTo(box.x, y(at)); pen.lineTo(box.x + box.w, y(at)); pen.stroke();
    pen.setLineDash([]);
  };
  const xOf = (number) => box.x + (columnsTo(map, number) - seen[0]) * box.w / (seen[1] - seen[0]);
  paintPoints(pen, points, xOf, y, theme);
  let before = null;
  const [from, to] = map.edges ? [0, map.columns.length] : [Math.floor(seen[0]), Math.min(map.columns.length, seen[1])];
  for (let c = from; c < to; c += 1) {
    const at = placeOf(map, panel, 0, c);
    const value = map.values[at];
    const [x, , w] = rectOf(map, box, seen, [0, 0], [c, c]);
    const here = Number.isFinite(value) ? [map.edges ? xOf(places[c]) : x + w / 2, y(value)] : null;
    if (here && look === "bars") {
      const [top, bottom] = [Math.min(y(0), here[1]), Math.max(y(0), here[1])];
      paintOneBar(pen, x + w * 0.1, top, Math.max(w * 0.8, 0.5), bottom - top, kinds[kindOf[c]] ?? own);
    } else if (here) {
      pen.strokeStyle = theme.bar;
      pen.beginPath(); pen.moveTo(...(before ?? [here[0] - 1, here[1]])); pen.lineTo(...here); pen.stroke();
      if (map.edges) { pen.fillStyle = theme.bar; pen.beginPath(); pen.arc(...here, 3.5, 0, 7); pen.fill(); }
    }
    if (here && low && high && Number.isFinite(low[at])) {
      pen.strokeStyle = theme.ink;
      pen.beginPath(); pen.moveTo(here[0], y(low[at])); pen.lineTo(here[0], y(high[at])); pen.stroke();
    }
    before = here;
  }
  if (baseline !== null) across(baseline, []);
  for (const limit of limits) across(limit.at, [5, 3]);
}

/** The axis of values at the left of a panel. */
export function paintValues(pen, map, panel, box, theme) {
  const axis = axisOf(map, panel);
  const y = heightOf(box, axis);
  for (const tick of axis.ticks) {
    write(pen, tick.label, box.x - 6, y(tick.at), { fill: theme.ink, align: "right", room: 60 });
  }
  write(pen, panel.bars.label, 10, box.y + box.h / 2, {
    fill: theme.ink, align: "center", turn: -Math.PI / 2, room: box.h + 20,
  });
}
