// Numbers of a page: unpacked, read from cells, written, and coloured.

const TYPES = { f4: Float32Array, f8: Float64Array, u1: Uint8Array, u4: Uint32Array };

/** What a cell may have in words: its likeliest token, and the five likeliest. */
export const WORDS = ["top", "likely"];

/** An array as Python packed it: deflated planes of bytes, the least significant first. */
export async function unpacked(given) {
  if (!given) return null;
  const raw = atob(given.data);
  const packed = Uint8Array.from(raw, (sign) => sign.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const size = TYPES[given.type].BYTES_PER_ELEMENT;
  const count = planes.length / size;
  const bytes = new Uint8Array(planes.length);
  for (let plane = 0; plane < size; plane += 1) {
    for (let at = 0; at < count; at += 1) bytes[at * size + plane] = planes[plane * count + at];
  }
  return new TYPES[given.type](bytes.buffer);
}

/** A small array that comes with new columns: its bytes as they are. */
export function numbers(given) {
  const bytes = Uint8Array.from(atob(given.raw), (sign) => sign.charCodeAt(0));
  return new TYPES[given.type](bytes.buffer);
}

/** A map of the page, its arrays as numbers; `steps` of an axis lead to the next of its labels. */
export async function unpackedMap(given) {
  const map = { ...structuredClone(given), known: {}, values: await unpacked(given.values) };
  for (const [key, value] of Object.entries(given.known)) map.known[key] = await unpacked(value);
  for (const key of WORDS) if (given[key]) map[key].index = await unpacked(given[key].index);
  for (const panel of map.panels) {
    for (const key of ["significant", "equal"]) panel[key] = await unpacked(panel[key]);
  }
  panelsPlaced(map);
  return map;
}

/** Find the way through a map's arrays, and where each of its panels begins. */
export function panelsPlaced(map) {
  map.steps = map.dims.map((_, at) => (
    map.dims.slice(at + 1).reduce((product, dim) => product * dim.labels.length, 1)
  ));
  for (const panel of map.panels) {
    panel.start = panel.facet.reduce((sum, [dim, at]) => sum + at * map.steps[dim], 0);
  }
  map.edges = edgesOf(map);
}

/** Where a number on the axis of the columns lies, counted in columns. */
export function columnsTo(map, number) {
  const [low, high] = map.panels[0].bars.along.limits;
  return (number - low) / (high - low) * map.columns.length;
}

/** Where columns with places of their own begin, half-way between neighbours; null for others. */
function edgesOf(map) {
  const places = map.panels[0].bars?.at ?? [];
  if (!places.length) return null;
  const between = places.slice(1).map((place, at) => columnsTo(map, (place + places[at]) / 2));
  return [0, ...between, map.columns.length];
}

/** Where the value of a cell of a panel stands in the map's arrays. */
export function placeOf(map, panel, row, column) {
  const down = map.y < 0 ? 0 : map.rows[row] * map.steps[map.y];
  return panel.start + down + map.columns[column] * map.steps[map.x];
}

/** A number for readers. */
export function written(value, digits = 4) {
  if (!Number.isFinite(value)) return "no value";
  const size = Math.abs(value);
  let text;
  if (Number.isInteger(value) && size < 1e7) text = String(value);
  else if (size >= 1e-4 && size < 1e7) text = String(Number(value.toPrecision(digits)));
  else text = value.toExponential(digits - 1);
  return text.replace("-", "−");
}

/** A token without signs that turn the direction of the text behind it: they are named instead. */
export function contained(text) {
  return text.replace(/[\u202a-\u202e\u2066-\u2069]/g, (sign) => `U+${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** A number for programs: the shortest text that gives it back. */
export function exactly(value, single) {
  if (Number.isNaN(value)) return "";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  for (let digits = 6; single && digits <= 9; digits += 1) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return String(Number(text));
  }
  return String(value);
}

/** What is known of a cell, a line each. */
export function linesOf(map, panel, row, column) {
  const at = placeOf(map, panel, row, column);
  const named = (dim, name, place) => {
    const label = String(map.dims[dim].labels[place]);
    return `${map.dims[dim].noun} ${label}${name === label ? "" : `: ${name}`}`;
  };
  const lines = [];
  if (panel.title) lines.push(panel.title.replaceAll("\n", " "));
  if (map.y >= 0) lines.push(named(map.y, map.rowNames[row], map.rows[row]));
  lines.push(named(map.x, map.columnNames[column], map.columns[column]));
  if (map.edges) {
    const mean = written(panel.bars.at[column]);
    lines.push(`${map.columnLabel}, mean of the ${map.dims[map.x].noun}: ${mean}`);
  }
  const part = map.beside.find((one) => one.name === "part" && one.dim === map.x);
  if (part && panel.spans.length) lines.push(`part: ${part.values[map.columns[column]]}`);
  const value = written(map.values[at]);
  const withUnit = map.unit === "layer" ? `layer ${value}` : `${value} ${map.unit}`;
  lines.push(`${map.label}: ${map.unit && Number.isFinite(map.values[at]) ? withUnit : value}`);
  if (map.known.low && map.known.high) {
    lines.push(`interval: ${written(map.known.low[at])} to ${written(map.known.high[at])}`);
  }
  if (map.known.p_value) lines.push(`p-value: ${written(map.known.p_value[at], 3)}`);
  const likely = map.likely?.words[map.likely.index[at]];
  if (likely) lines.push(`likeliest tokens: ${likely}`);
  else if (map.top) lines.push(`likeliest token: ${JSON.stringify(map.top.words[map.top.index[at]])}`);
  return lines;
}

/** Red, green, blue of the colours of a scale, and which of them a value has. */
export function colouring(scale) {
  const colours = scale.colours.map((hex) => {
    const number = parseInt(hex.slice(1), 16);
    return (255 << 24 | (number & 255) << 16 | (number & 0xff00) | number >> 16) >>> 0;
  });
  const last = colours.length - 1;
  const shareOf = (value) => {
    const { kind, low, high } = scale;
    if (kind === "log") return value > 0 ? Math.log(value / low) / Math.log(high / low) : 0;
    return (value - low) / (high - low);
  };
  const colourOf = (value) => (
    colours[Math.max(0, Math.min(last, Math.floor(shareOf(value) * colours.length)))]
  );
  return { shareOf, colourOf };
}

/** The whole map as a table: a row per cell, a column per axis and coordinate, the value last. */
export function csvOf(map) {
  const cell = (value) => {
    if (value === null) return "";
    const text = value === true ? "True" : value === false ? "False" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const known = Object.entries(map.known);
  const head = [
    ...map.dims.map((dim) => dim.name), ...map.beside.map((column) => column.name),
    ...known.map(([key]) => key), ...(map.top ? ["top_token_text"] : []), map.variable,
  ];
  const lines = [head.map(cell).join(",")];
  const number = (array, at) => exactly(array[at], array instanceof Float32Array);
  for (let at = 0; at < map.values.length; at += 1) {
    const where = map.dims.map((dim, axis) => Math.floor(at / map.steps[axis]) % dim.labels.length);
    lines.push([
      ...where.map((place, axis) => cell(map.dims[axis].labels[place])),
      ...map.beside.map((column) => cell(column.values[where[column.dim]])),
      ...known.map(([, array]) => number(array, at)),
      ...(map.top ? [cell(map.top.words[map.top.index[at]])] : []),
      number(map.values, at),
    ].join(","));
  }
  return `${lines.join("\r\n")}\r\n`;
}
