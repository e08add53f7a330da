// The scale of a map: limits and ticks by the rules of the figure, for limits that change.

const INTERVALS = 6; // ticks aim at about this many
const ROUNDS = 3; // rounding widens a scale, which may call for a wider step
const SLACK = 1e-6; // of a step
const SINK = 5; // a sink's median is this multiple of the median of the columns' medians
const TOWERS = 1.3; // of the 99th percentile: single heads beyond it are cut off
const LESSER = 0.5; // of the longer arm around no effect: a shorter one is cut
const DECADES = 6; // of a log scale, at most

const clean = (value) => Number(value.toPrecision(15));

/** 1, 2 or 5 times a power of ten: about a sixth of `span`. */
function niceStep(span) {
  const exact = Math.log10(span / INTERVALS);
  const power = Math.floor(exact);
  const near = [0, 1].flatMap((more) => [1, 2, 5].map((lead) => lead * 10 ** (power + more)));
  const far = (step) => Math.abs(Math.log10(step) - exact);
  return near.reduce((best, step) => (far(step) < far(best) ? step : best));
}

function roundLimits(least, most, nearest) {
  let [low, high] = [least, most];
  if (!(high - low > 1e-12 * Math.max(Math.abs(low), Math.abs(high)))) {
    const room = 0.1 * Math.abs(low) || 1;
    [low, high] = [low - room, high + room];
  }
  if (low >= 0 && low < 0.3 * high) low = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const step = niceStep(high - low);
    low = Math.floor(low / step + SLACK) * step;
    high = (nearest ? Math.round(high / step) : Math.ceil(high / step - SLACK)) * step;
  }
  return [clean(low), clean(high)];
}

const signed = ({ floor, ceiling, nothing }) => (
  (floor ?? (nothing === null ? 0 : -Infinity)) < 0
  && (ceiling ?? (nothing === null ? 0 : Infinity)) > 0 && (nothing ?? 0) === 0
);

/** The measure's own range where the values fill it, else round numbers around them. */
export function linearLimits(least, most, range, nearest = false) {
  if (signed(range) && least < 0 && most <= 0) {
    const mirror = (value) => (value === null ? null : -value);
    const mirrored = { floor: mirror(range.ceiling), ceiling: mirror(range.floor), nothing: mirror(range.nothing) };
    const [low, high] = linearLimits(-most, -least, mirrored);
    return [-high, 0 - low];
  }
  let { floor, ceiling, nothing } = range;
  [floor, ceiling, nothing] = [floor ?? NaN, ceiling ?? NaN, nothing ?? NaN];
  if (least >= 0 && Number.isNaN(nothing)) floor = floor >= 0 ? floor : 0;
  if (floor < nothing && nothing < ceiling && most > nothing) return [nothing, ceiling];
  if (most - least >= 0.5 * (ceiling - floor)) return [floor, ceiling];
  if (Number.isNaN(ceiling) && range.floor === null && range.nothing === null && least >= 0 && most > 0.5 && most <= 1) {
    return [least >= 0.5 ? 0.5 : 0, 1];
  }
  let [low, high] = roundLimits(least, most, nearest);
  if (floor > low) low = floor;
  if (ceiling > low) high = Math.min(high, ceiling);
  return [clean(low), clean(high)];
}

/** The value below which a share of some numbers lies, between neighbours as numpy has it. */
export function quantile(numbers, share) {
  const sorted = new Float64Array(numbers);
  const place = share * (sorted.length - 1);
  const at = Math.floor(place);
  let [from, to] = [0, sorted.length - 1];
  while (from < to) { // Hoare's selection: what stands at `at` is then what a sort would put there
    const pivot = sorted[(from + to) >> 1];
    let [i, j] = [from, to];
    while (i <= j) {
      while (sorted[i] < pivot) i += 1;
      while (sorted[j] > pivot) j -= 1;
      if (i <= j) {
        const kept = sorted[i];
        sorted[i] = sorted[j];
        sorted[j] = kept;
        i += 1; j -= 1;
      }
    }
    if (at <= j) to = j; else if (at >= i) from = i; else break;
  }
  if (place === at) return sorted[at];
  const [next] = endsOf(sorted.subarray(at + 1));
  return sorted[at] + (place - at) * (next - sorted[at]);
}

/** The least and the largest of some numbers. */
export function endsOf(values) {
  let [least, most] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return [least, most];
}

/** Some columns one after the other. */
export function joined(columns) {
  const all = new Float64Array(columns.reduce((sum, values) => sum + values.length, 0));
  let at = 0;
  for (const values of columns) { all.set(values, at); at += values.length; }
  return all;
}

/** The places of the columns that alone would set the colours, and the 99th percentile of the others. */
export function sinksOf(columns, medians) {
  const known = medians.filter((value) => !Number.isNaN(value));
  const none = { places: [], most: null };
  if (known.length < 3) return none;
  const usual = quantile(known, 0.5);
  const found = [];
  if (usual > 0) medians.forEach((median, at) => { if (median >= SINK * usual) found.push(at); });
  if (!found.length || found.length > Math.max(1, Math.floor(known.length / 5))) return none;
  const set = new Set(found);
  const usually = quantile(joined(columns.filter((_, at) => !set.has(at))), 0.99);
  const towering = endsOf(joined(found.map((at) => columns[at])))[1] >= 2 * usually;
  return towering ? { places: found, most: usually } : none;
}

const factors = (near) => {
  const power = Math.floor(Math.log10(near));
  return [-1, 0, 1].flatMap((more) => [1, 2, 5].map((lead) => lead * 10 ** (power + more)));
};

/** The colours of two limits, of a palette whose middle is at `centre`. */
export function around(colours, low, high, centre) {
  const half = Math.max(Math.abs(high - centre), Math.abs(low - centre));
  const [first, last] = [low, high].map((end) => Math.min(Math.max((end - centre) / half / 2 + 0.5, 0), 1));
  const most = colours.length - 1;
  return colours.map((_, at) => colours[Math.round((first + (last - first) * at / most) * most)]);
}

/** How far a scale reaches to either side of no effect: equally far, unless one side needs less than half. */
function arms(below, above) {
  let longer = Math.max(below, above) || 1;
  let shorter = Math.max(Math.min(below, above), 0);
  const equal = shorter >= LESSER * longer;
  for (let round = 0; round < ROUNDS; round += 1) {
    const step = niceStep(longer + (equal ? longer : shorter));
    longer = Math.ceil(longer / step - SLACK) * step;
    shorter = Math.ceil(shorter / step - SLACK) * step;
  }
  if (equal) shorter = longer;
  return (below > above ? [longer, shorter] : [shorter, longer]).map(clean);
}

/** Limits for some values, by the kind of the scale; `usual` is their 99th percentile beside sinks. */
export function limitsOf(values, { kind, range, centre, heads, usual = null }) {
  let [least, most] = endsOf(values);
  if (kind === "log") {
    const positive = values.filter((value) => value > 0);
    const top = factors(most).find((at) => at >= most * (1 - 1e-9));
    const sorted = Float64Array.from(positive).sort();
    least = Math.max(sorted[Math.floor(0.01 * (sorted.length - 1))], top / 10 ** DECADES);
    const bottom = factors(least).findLast((at) => at <= least * (1 + 1e-9));
    return [Math.min(bottom, top / 10), top];
  }
  if (heads) {
    const middle = range.nothing ?? 0;
    const far = quantile(values.map((value) => Math.abs(value - middle)), 0.99);
    if (far > 0 && most - middle > TOWERS * far) most = middle + far;
    if (far > 0 && middle - least > TOWERS * far) least = middle - far;
  }
  if (kind === "diverging") {
    least = Math.max(least, range.floor ?? -Infinity); // rounding may pass the ends
    most = Math.min(most, range.ceiling ?? Infinity);
    const [below, above] = arms(centre - least, most - centre);
    return [centre - below, centre + above];
  }
  return linearLimits(least, usual ?? most, range, usual !== null);
}

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

function shortly(value, digits = 3) {
  if (value <= 0) return value < 0 ? `-${shortly(-value, digits)}` : "0";
  if (value >= 0.01 * (1 - 1e-9) && value < 99999) {
    return value < 1000 ? String(Number(value.toPrecision(digits))) : value.toFixed(0);
  }
  return asPower(value, digits);
}

/** A number above 0 as a multiple of a power of ten. */
function asPower(value, digits) {
  const power = Math.floor(Math.log10(Number(value.toPrecision(digits))) + 1e-9);
  const raised = String(power).replace(/[-\d]/g, (sign) => RAISED[sign]);
  const times = String(Number((value / 10 ** power).toPrecision(digits)));
  return times === "1" ? `10${raised}` : `${times}·10${raised}`;
}

function rounded(value, digits) {
  const places = value ? digits - 1 - Math.floor(Math.log10(Math.abs(value))) : 0;
  const text = value.toFixed(Math.max(0, Math.min(100, places)));
  return text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
}

/** Places and labels of the ticks on a linear scale. */
function linearTicks(low, high) {
  const step = niceStep(high - low);
  const even = (at) => Math.abs(at / step - Math.round(at / step)) <= SLACK;
  const [first, last] = [Math.ceil(low / step - SLACK), Math.floor(high / step + SLACK)];
  const between = Array.from({ length: Math.max(0, last - first + 1) }, (_, at) => (first + at) * step);
  const inner = [low, ...between.filter((at) => Math.min(at - low, high - at) > 0.55 * step), high];
  const size = Math.floor(Math.log10(step) + 1e-9);
  const places = Math.max(0, -size);
  const largest = Math.max(Math.abs(low), Math.abs(high));
  const digits = Math.max(3, Math.floor(Math.log10(largest)) - size + 1);
  const label = (at) => {
    if (largest >= 1e6 && largest < 1e15 && digits > 3) {
      const fraction = places + (even(at) ? 0 : 1);
      return at.toLocaleString("en-US", { minimumFractionDigits: fraction, maximumFractionDigits: fraction });
    }
    if (largest < 1e-4 || largest >= 1e6) return shortly(at, digits);
    return even(at) ? at.toFixed(places) : rounded(at, digits);
  };
  return [inner, inner.map(label)];
}

function logTicks(low, high) {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const leads = last - first <= 2 ? [1, 2, 5] : [1];
  const all = [];
  for (let power = first; power <= last; power += 1) all.push(...leads.map((lead) => lead * 10 ** power));
  const inner = [low, ...all.filter((at) => low * 1.3 < at && at < high / 1.3), high];
  // labels of one axis in one way: plain numbers if none is very small or large, else powers
  const plain = low >= 0.001 * (1 - 1e-9) && high <= 100000 * (1 + 1e-9);
  const number = (at) => (at < 1000 ? String(Number(at.toPrecision(3))) : at.toFixed(0));
  return [inner, inner.map((at) => (plain ? number(at) : asPower(at, 3)))];
}

/** The labelled values of a scale; an end beyond which values lie says so. */
export function ticksOf(low, high, { log, below, above }) {
  const [places, labels] = log ? logTicks(low, high) : linearTicks(low, high);
  const shown = labels.map((label) => {
    const text = label.replaceAll("-", "−");
    return /^−[0.]+$/.test(text) ? text.slice(1) : text;
  });
  if (below) shown[0] = `≤${shown[0]}`;
  if (above) shown[shown.length - 1] += "+";
  return places.map((at, which) => ({ at, label: shown[which] }));
}
