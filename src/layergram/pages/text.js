// The text itself, each token on the colour of its value in one layer, or of where it settles.

import { colouring, contained } from "./data.js";
import { make } from "./elements.js";
import { inkOn } from "./pen.js";

const SETTLING = "settling_depth";
const STEPS = ["#ffffe5", "#fff7bc", "#fee391", "#fec44f", "#fe9929", "#ec7014", "#cc4c02", "#993404", "#662506"];
const MOST_OPEN = 2000; // tokens up to which the text is shown without being asked for

/** The texts of the tokens, where the columns of a map are tokens. */
function textsOf(map) {
  return map.beside.find((one) => one.name === "token_text" && one.dim === map.x)?.values ?? null;
}

/** The row whose colours differ most along the text, which shows most. */
function widestRow(map) {
  const { low, high } = map.scale ?? { low: -Infinity, high: Infinity };
  let [best, most] = [0, -1];
  map.rows.forEach((_, row) => {
    const start = map.panels[0].start + (map.y < 0 ? 0 : map.rows[row] * map.steps[map.y]);
    const values = map.columns.map((column) => map.values[start + column * map.steps[map.x]])
      .filter(Number.isFinite).map((value) => Math.max(low, Math.min(high, value)));
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const spread = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    if (spread > most) [best, most] = [row, spread];
  });
  return best;
}

/** The section with the text, below the map. */
export class TextView {
  constructor({ text, tint, tinted }, settling) {
    Object.assign(this, { text, tint, tinted, settling });
  }

  /** Show the text of a map, or nothing where its columns are no tokens. */
  show(map, chosen = "") {
    this.map = map;
    const texts = textsOf(map);
    this.text.section.hidden = texts === null;
    this.tinted.replaceChildren();
    if (texts === null) return;
    const options = map.y < 0 ? [[0, map.label]] : map.rows.map((_, row) => [row, `${map.dims[map.y].noun} ${map.rowNames[row]}`]);
    if (map.variable !== SETTLING && this.settling(map)) options.push([SETTLING, "the layer where it settles"]);
    this.tint.replaceChildren(...options.map(([value, text]) => make("option", text, { value })));
    const long = texts.length > MOST_OPEN;
    const wanted = chosen || String(long ? Math.floor(map.rows.length / 2) : widestRow(map));
    this.tint.value = options.some(([value]) => String(value) === wanted) ? wanted : "0";
    this.text.section.open = !long;
    this.update();
  }

  /** Colour every token anew, those that came besides. */
  async update(panel = 0) {
    const { map, tinted } = this;
    const texts = textsOf(map);
    if (!texts || !this.text.section.open) return;
    while (tinted.childElementCount < map.columns.length) {
      const at = tinted.childElementCount;
      tinted.append(make("span", contained(String(texts[map.columns[at]])), { "data-column": at }));
    }
    const { values, scale } = this.tint.value === SETTLING ? await this.settled() : this.rowOf(panel);
    if (map !== this.map) return;
    const { colourOf } = colouring(scale);
    values.forEach((value, at) => {
      const span = tinted.children[at];
      const word = Number.isFinite(value) ? colourOf(value) : null;
      span.style.backgroundColor = word === null ? "" : `rgb(${word & 255} ${word >> 8 & 255} ${word >> 16 & 255})`;
      span.style.color = word === null ? "" : inkOn(word);
    });
  }

  rowOf(panel) {
    const { map } = this;
    const start = map.panels[panel].start + (map.y < 0 ? 0 : map.rows[Number(this.tint.value)] * map.steps[map.y]);
    const values = map.columns.map((column) => map.values[start + column * map.steps[map.x]]);
    const [low, high] = map.scale ? [] : map.panels[0].bars.axis.limits;
    return { values, scale: map.scale ?? { kind: "linear", low, high, colours: STEPS } };
  }

  async settled() {
    const depths = await this.settling(this.map);
    const values = this.map.columns.map((column) => depths.values[column]);
    const high = values.reduce((most, value) => (value > most ? value : most), this.map.dims[this.map.y].labels.length);
    return { values, scale: { kind: "linear", low: 1, high, colours: STEPS } };
  }
}
