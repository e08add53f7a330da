// Columns that come while a page is shown, and the scale of what is there by then.

import { WORDS, numbers, panelsPlaced } from "./data.js";
import { around, joined, limitsOf, quantile, sinksOf, ticksOf } from "./scale.js";

/** An array of a map with `more` further columns of `empty` cells. */
function widened(map, array, more, empty, Kind = array.constructor) {
  const inner = map.steps[map.x];
  const before = map.dims[map.x].labels.length * inner;
  const after = before + more * inner;
  const wide = new Kind(array.length / before * after).fill(empty);
  for (let from = 0, to = 0; from < array.length; from += before, to += after) {
    wide.set(array.subarray(from, from + before), to);
  }
  return wide;
}

/** Write columns, in the order of the map's axes, from the column `first` on. */
function laid(map, array, given, first) {
  const inner = map.steps[map.x];
  const count = map.dims[map.x].labels.length * inner;
  const size = given.length / (array.length / count);
  for (let from = 0, to = first * inner; from < given.length; from += size, to += count) {
    array.set(given.subarray(from, from + size), to);
  }
}

/** The words of the cells of new columns as places in the map's list of words. */
function indexed(own, given) {
  own.places ??= new Map(own.words.map((word, at) => [word, at]));
  const places = given.words.map((word) => {
    if (!own.places.has(word)) own.places.set(word, own.words.push(word) - 1);
    return own.places.get(word);
  });
  return numbers(given.index).map((at) => places[at]);
}

/** The answer begins where the part of the tokens changes. */
function spansGrown(map, parts, first) {
  const count = map.columns.length;
  for (let at = Math.max(first, 1); at < count; at += 1) {
    for (const { spans } of map.panels) {
      if (parts[at] !== parts[at - 1]) {
        if (!spans.length) spans.push({ first: 0, last: at - 1, label: parts[at - 1] });
        spans.push({ first: at, last: at, label: parts[at] });
      } else if (spans.length) spans[spans.length - 1].last = at;
    }
  }
}

/**
 * Put new columns into a map; those of labels that it has already are replaced.
 * @param {object} map as `unpackedMap` gives it, of all its columns
 * @param {object} piece as Python's `columns_data` makes it
 */
export function append(map, piece) {
  const { labels } = map.dims[map.x];
  const found = labels.indexOf(piece.labels[0]);
  const first = found < 0 ? labels.length : found;
  const values = numbers(piece.values);
  const cells = map.values.length / labels.length;
  const more = Math.max(0, first + piece.labels.length - labels.length);
  const known = piece.labels.slice(0, piece.labels.length - more);
  const next = labels[labels.length - 1] + 1; // NaN or text where labels do not count
  const gap = found < 0 && typeof next === "number" && piece.labels[0] !== next;
  if (gap || values.length !== cells * piece.labels.length || known.some((label, at) => labels[first + at] !== label)) {
    throw new Error(`columns ${piece.labels[0]} to ${piece.labels.at(-1)} do not fit the map "${map.name}"`);
  }
  const Kind = values instanceof Float64Array ? Float64Array : map.values.constructor;
  if (more || Kind !== map.values.constructor) map.values = widened(map, map.values, more, NaN, Kind);
  for (const key of Object.keys(map.known)) map.known[key] = widened(map, map.known[key], more, NaN);
  if (!piece.likely) map.likely = null; // too many cells by now
  for (const key of WORDS) if (map[key]) map[key].index = widened(map, map[key].index, more, 0);
  for (const panel of map.panels) {
    for (const key of ["significant", "equal"]) if (panel[key]) panel[key] = null;
  }
  for (let at = labels.length - first; at < piece.labels.length; at += 1) {
    map.columns.push(labels.length);
    labels.push(piece.labels[at]);
    map.columnNames.push(piece.names[at]);
  }
  panelsPlaced(map);
  laid(map, map.values, values, first);
  for (const [key, array] of Object.entries(piece.known)) {
    if (map.known[key]) laid(map, map.known[key], numbers(array), first);
  }
  for (const key of WORDS) if (map[key] && piece[key]) laid(map, map[key].index, indexed(map[key], piece[key]), first);
  for (const column of map.beside) {
    if (column.dim === map.x && piece.beside[column.name]) column.values.splice(first, piece.labels.length, ...piece.beside[column.name]);
  }
  const part = map.beside.find((column) => column.name === "part" && column.dim === map.x);
  if (part && more) spansGrown(map, part.values, labels.length - more);
  map.medians?.splice(first);
  map.came = true; // so the scale that the figure planned is out of date
  map.grown = (map.grown ?? 0) + more;
}

/** The values of the drawn columns, over all rows and panels, without the missing ones. */
function columnsOf(map) {
  const rows = map.y < 0 ? [0] : map.rows.map((row) => row * map.steps[map.y]);
  const starts = map.panels.flatMap((panel) => rows.map((row) => panel.start + row));
  const all = new Float64Array(starts.length * map.columns.length);
  let end = 0;
  const columns = map.columns.map((column) => {
    const from = end;
    const across = column * map.steps[map.x];
    for (const start of starts) {
      const value = map.values[start + across];
      if (value === value) { all[end] = value; end += 1; }
    }
    return all.subarray(from, end);
  });
  return { all: all.subarray(0, end), columns };
}

/** The scale of a map by the rules of the figure, from the values that it has now. */
export function scaleNow(map, { kind, sinks }) {
  const { all, columns } = columnsOf(map);
  if (!all.length) return map.scale;
  const { centre = null, label } = map.scale;
  let left = { places: [], most: null };
  if (map.sinkable && sinks === "off" && kind === "linear" && all.every((value) => value >= 0)) {
    map.medians ??= [];
    for (let at = map.medians.length; at < columns.length; at += 1) {
      map.medians.push(columns[at].length ? quantile(columns[at], 0.5) : NaN);
    }
    left = sinksOf(columns, map.medians);
  }
  const out = new Set(left.places);
  const counted = out.size ? joined(columns.filter((_, at) => !out.has(at))) : all;
  const [low, high] = limitsOf(counted, { kind, range: map.range, centre, heads: map.heads, usual: left.most });
  return scaleBetween(map, kind, low, high, all, label);
}

/** Whether so many columns came that the scale should be made again before the map is drawn. */
export function outgrown(map) {
  return map.grown > 0.02 * map.columns.length;
}

/** The scale of a map between given limits. */
export function scaleWithin(map, scale, low, high) {
  return scaleBetween(map, scale.kind, low, high, columnsOf(map).all, scale.label);
}

function scaleBetween(map, kind, low, high, values, label) {
  const slack = 1e-6 * Math.max(Math.abs(low), Math.abs(high));
  const below = values.some((value) => value < low - slack);
  const above = values.some((value) => value > high + slack);
  const bare = label.replace(" (log scale)", "");
  const { centre } = map.scale;
  return {
    ...map.scale, kind, low, high,
    colours: map.scale.around.length ? around(map.scale.around, low, high, centre) : map.scale.colours,
    label: kind === "log" ? `${bare} (log scale)` : bare,
    ticks: ticksOf(low, high, { log: kind === "log", below, above }),
  };
}
