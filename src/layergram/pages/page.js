// A page of maps: what pointing and keys do, which map is shown, and columns that come.

import { append, outgrown } from "./columns.js";
import { listenToChoices, scaleChosen, showChoice, unchosen } from "./controls.js";
import { csvOf, linesOf, unpackedMap } from "./data.js";
import { elementsOf, make, notesOf, offer, tableOf } from "./elements.js";
import { DARK, LIGHT, cellUnder, layoutOf, paint, paintAll, paintCurves } from "./painting.js";
import { SvgPen } from "./svg.js";
import { TextView } from "./text.js";

const REST = 300; // ms without a new column, after which the scale is that of all columns

/** The labels of a cell by the names of its axes. */
function labelsOf(map, { panel, row, column }) {
  const places = [...map.panels[panel].facet, [map.x, map.columns[column]]];
  if (map.y >= 0) places.push([map.y, map.rows[row]]);
  return Object.fromEntries(places.map(([dim, at]) => [map.dims[dim].name, map.dims[dim].labels[at]]));
}

/** What kind of picture a map is drawn as. */
function kindOf({ panels: [{ bars }] }) {
  if (!bars) return "heatmap";
  return bars.look === "bars" ? "bar chart" : "line chart";
}

/** The cell of another map that has the labels of the pinned one, or nothing. */
function samePlace(was, map, pin) {
  if (!pin) return null;
  const labels = labelsOf(was, pin);
  const place = (dim, kept) => (
    dim < 0 ? 0 : kept.findIndex((at) => map.dims[dim].labels[at] === labels[map.dims[dim].name])
  );
  const row = place(map.y, map.rows);
  const column = place(map.x, map.columns);
  const panel = map.panels.findIndex(({ facet }) => (
    facet.every(([dim, at]) => map.dims[dim].labels[at] === labels[map.dims[dim].name])
  ));
  return Math.min(panel, row, column) < 0 ? null : { panel, row, column };
}

/** What the page shows now, and how that changes. */
class Page {
  constructor(elements, title) {
    this.elements = elements;
    this.title = title; // of all maps; by default the heading names the one that is shown
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.printing = false;
    this.waiting = 0;
    this.resting = 0;
    this.entries = []; // of each map: as it was given, unpacked, and columns that came before that
    this.shown = null;
    this.pin = null;
    this.seen = [0, 1];
    this.text = new TextView(elements, (map) => this.settlingOf(map));
  }

  /** Where the tokens of a map settle, of a page that has that map too; else null. */
  settlingOf(map) {
    const count = map.dims[map.x].labels.length;
    const entry = this.entries.find(({ given }) => (
      given.variable === "settling_depth" && given.dims.length === 1 && given.dims[0].name === map.dims[map.x].name
    ));
    if (!entry || map.y < 0) return null;
    const held = (entry.map ?? entry.given).dims[0].labels.length;
    return held === count ? this.unpacked(entry) : null;
  }

  /** The map of an entry, with the columns that came before it was unpacked. */
  async unpacked(entry) {
    const { given } = entry;
    if (entry.map) return entry.map;
    const map = await unpackedMap(given);
    if (entry.given !== given || entry.map) return entry.map ?? this.unpacked(entry);
    unchosen(map);
    entry.map = map;
    entry.pieces.splice(0).forEach((piece) => append(map, piece));
    return map;
  }

  /** Add a map to the list, or put it in the place of the one of its name. */
  set(given) {
    const { chosen } = this.elements;
    const at = this.entries.findIndex((entry) => entry.given.name === given.name);
    if (at >= 0) Object.assign(this.entries[at], { given, map: null, pieces: [] });
    else {
      this.entries.push({ given, map: null, pieces: [] });
      chosen.append(make("option", given.name, { value: given.name }));
    }
    chosen.hidden = this.entries.length < 2;
    return at >= 0 && this.entries[at] === this.shown ? this.show(given.name) : Promise.resolve();
  }

  async show(name) {
    const entry = this.entries.find((one) => one.given.name === name);
    this.shown = entry;
    const map = await this.unpacked(entry);
    if (this.shown !== entry) return; // another was asked for meanwhile
    const { canvas, words, notes, table, chosen, heading } = this.elements;
    const was = this.map;
    this.map = map;
    this.blocks = [];
    chosen.value = name;
    heading.textContent = this.title || map.label.charAt(0).toUpperCase() + map.label.slice(1);
    if (was?.columns.length !== map.columns.length) this.seen = [0, map.columns.length];
    canvas.setAttribute("aria-label", `${map.label}: ${kindOf(map)}; the table below has its values`);
    words.replaceChildren(...map.said.map((said) => this.lineOf(said)));
    notes.inner.replaceChildren(...notesOf(map));
    table.inner.replaceChildren(...(table.section.open ? tableOf(map) : []));
    showChoice(this.elements.choices, map);
    this.text.show(map, this.elements.tint.value);
    this.setPin(samePlace(was, map, this.pin));
    this.redraw();
  }

  /** Put new columns into the maps; what is seen follows the end where it was in sight. */
  append(pieces) {
    for (const piece of pieces) {
      const entry = this.entries.find((one) => one.given.name === piece.name);
      if (!entry) throw new Error(`no map "${piece.name}" on this page`);
      if (!entry.map) {
        entry.pieces.push(piece);
        continue;
      }
      const before = entry.map.columns.length;
      append(entry.map, piece);
      if (entry.map === this.map) this.follow(before);
    }
  }

  follow(before) {
    const { table, readout } = this.elements;
    const [from, to] = this.seen;
    const count = this.map.columns.length;
    if (from === 0 && to >= before) this.seen = [0, count];
    else if (to >= before) this.seen = [from + count - before, count];
    const text = this.pinned();
    if (readout.textContent !== text) readout.textContent = text;
    if (table.section.open && count !== before) table.section.open = false;
    if (!table.section.open) table.inner.replaceChildren();
    clearTimeout(this.resting);
    this.resting = setTimeout(() => { this.rescale(); this.soon(); }, REST);
    this.soon();
  }

  redraw() {
    const { canvas, curves } = this.elements;
    cancelAnimationFrame(this.waiting);
    this.waiting = 0;
    if (outgrown(this.map)) this.rescale();
    const theme = this.dark.matches && !this.printing ? DARK : LIGHT;
    this.layout = paint(canvas, this.map, this, theme);
    curves.hidden = this.pin === null;
    if (this.pin) paintCurves(curves, this.map, this.pin, theme);
  }

  /** Make the scale anew of all columns that came. */
  rescale() {
    if (this.map.scale && this.map.came) this.map.scale = scaleChosen(this.map);
    this.map.grown = 0;
    this.text.update(this.pin?.panel);
  }

  soon() {
    if (!this.waiting) this.waiting = requestAnimationFrame(() => this.redraw());
  }

  look(from, to) {
    const count = this.map.columns.length;
    const wide = Math.min(count, Math.max(Math.min(4, count), to - from));
    const start = Math.max(0, Math.min(count - wide, from));
    this.seen = [start, start + wide];
    this.soon();
  }

  zoom(factor, centre) {
    const [from, to] = this.seen;
    this.look(centre - (centre - from) * factor, centre + (to - centre) * factor);
  }

  /** What is said of the pinned cell. */
  pinned() {
    const { map, pin } = this;
    return pin ? linesOf(map, map.panels[pin.panel], pin.row, pin.column).join(" · ") : "";
  }

  setPin(pin) {
    const { readout, curves, holder } = this.elements;
    this.pin = pin;
    readout.textContent = this.pinned();
    holder.dispatchEvent(new CustomEvent("pin", { detail: pin && { map: this.map.name, labels: labelsOf(this.map, pin) } }));
    curves.setAttribute("aria-label", pin ? "the pinned cell's row and column as lines" : "");
    const [from, to] = this.seen;
    if (pin && (pin.column < from || pin.column + 1 > to)) {
      this.look(pin.column + 0.5 - (to - from) / 2, pin.column + 0.5 + (to - from) / 2);
    }
    this.soon();
  }

  /** A sentence; one that speaks of cells is a button. */
  lineOf(said) {
    const { words } = this.elements;
    const line = make("li");
    if (!said.blocks.length) {
      line.append(make("p", said.text));
      return line;
    }
    const button = make("button", said.text, { "aria-pressed": "false" });
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      words.querySelectorAll("button").forEach((other) => other.setAttribute("aria-pressed", "false"));
      button.setAttribute("aria-pressed", String(on));
      this.blocks = on ? said.blocks : [];
      this.soon();
    });
    line.append(button);
    return line;
  }

  /** What the canvas shows, on white, as SVG. */
  svg() {
    const { canvas } = this.elements;
    const measuring = canvas.getContext("2d");
    const width = Math.max(320, canvas.clientWidth);
    const layout = layoutOf(measuring, this.map, width, this.seen);
    const pen = new SvgPen(width, layout.height, measuring);
    pen.fillStyle = LIGHT.ground;
    pen.fillRect(0, 0, width, layout.height);
    paintAll(pen, this.map, layout, width, this, LIGHT);
    return pen.text();
  }

  cellAt(event) {
    const box = this.elements.canvas.getBoundingClientRect();
    return cellUnder(this.map, this.layout, this.seen, event.clientX - box.left, event.clientY - box.top);
  }
}

/** Pointing, clicking, dragging and the wheel. */
function listenToPointer(page, signal) {
  const { canvas, tip } = page.elements;
  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, seen: page.seen, moved: false };
    canvas.setPointerCapture(event.pointerId);
  }, { signal });
  canvas.addEventListener("pointerup", (event) => {
    const cell = drag && !drag.moved ? page.cellAt(event) : null;
    drag = null;
    if (cell) page.setPin(cell);
  }, { signal });
  canvas.addEventListener("pointercancel", () => { drag = null; }, { signal });
  canvas.addEventListener("pointermove", (event) => {
    if (drag && (drag.moved || Math.abs(event.clientX - drag.x) > 3)) {
      drag.moved = true;
      const by = (drag.x - event.clientX) / page.layout.pitch;
      page.look(drag.seen[0] + by, drag.seen[1] + by);
    }
    const cell = page.cellAt(event);
    tip.hidden = cell === null;
    if (!cell) return;
    tip.textContent = linesOf(page.map, page.map.panels[cell.panel], cell.row, cell.column).join("\n");
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 6)}px`;
    tip.style.top = `${Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 6)}px`;
  }, { signal });
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; }, { signal });
  canvas.addEventListener("wheel", (event) => {
    const cell = page.cellAt(event);
    if (!cell || page.map.columns.length <= 4) return;
    event.preventDefault();
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const by = event.deltaX / page.layout.pitch;
      page.look(page.seen[0] + by, page.seen[1] + by);
    } else page.zoom(1.0015 ** event.deltaY, cell.column + 0.5);
  }, { passive: false, signal });
}

function listenToKeys(page, signal) {
  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const clamp = (at, count) => Math.max(0, Math.min(count - 1, at));
  page.elements.canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { map, pin, seen } = page;
    const middle = pin ? pin.column + 0.5 : (seen[0] + seen[1]) / 2;
    if (event.key === "Enter" && !pin) page.setPin({ panel: 0, row: 0, column: Math.floor(seen[0]) });
    else if (event.key === "Escape") page.setPin(null);
    else if (event.key === "+") page.zoom(0.7, middle);
    else if (event.key === "-") page.zoom(1 / 0.7, middle);
    else if (event.key === "0") page.look(0, map.columns.length);
    else if (moves[event.key] && pin) {
      const [down, right] = moves[event.key];
      const row = clamp(pin.row + (map.upwards ? -down : down), map.rows.length);
      page.setPin({ ...pin, row, column: clamp(pin.column + right, map.columns.length) });
    } else return;
    event.preventDefault();
  }, { signal });
}

/**
 * Show maps in an element.
 *
 * @param {HTMLElement} holder an empty element; it gets the class `layergram`, and an event `pin`
 *   with the labels of the cell (or null) whenever a cell is pinned
 * @param {{title?: string|null, maps: object[]}} data what Python's `page_data` makes; a title of
 *   null means no heading, an empty one the name of the map that is shown
 * @returns `append(pieces)`: new or changed columns, as Python's `columns_data` makes them;
 *   `set(map)`: another map, or one in the place of that of its name; `show(name)`; `destroy()`
 */
export async function mount(holder, data) {
  const elements = elementsOf(holder, data);
  const page = new Page(elements, data.title);
  const { canvas, chosen, csv, png, svg, whole, text, tint, tinted, table } = elements;
  const ending = new AbortController();
  const { signal } = ending;
  data.maps.forEach((map) => page.set(map));
  await page.show(data.maps[0].name);
  listenToPointer(page, signal);
  listenToKeys(page, signal);
  csv.addEventListener("click", () => offer(new Blob([csvOf(page.map)], { type: "text/csv" }), `${page.map.variable}.csv`));
  png.addEventListener("click", () => canvas.toBlob((blob) => offer(blob, `${page.map.variable}.png`)));
  svg.addEventListener("click", () => offer(new Blob([page.svg()], { type: "image/svg+xml" }), `${page.map.variable}.svg`));
  listenToChoices(page, elements.choices, () => { page.soon(); page.text.update(page.pin?.panel); });
  tint.addEventListener("change", () => page.text.update(page.pin?.panel));
  text.section.addEventListener("toggle", () => page.text.update(page.pin?.panel));
  tinted.addEventListener("click", (event) => {
    const { column } = event.target.dataset;
    if (column) page.setPin({ panel: page.pin?.panel ?? 0, row: Number(tint.value) || 0, column: Number(column) });
  });
  whole.addEventListener("click", () => page.look(0, page.map.columns.length));
  chosen.addEventListener("change", () => page.show(chosen.value));
  table.section.addEventListener("toggle", () => {
    if (table.section.open && !table.inner.childElementCount) table.inner.append(...tableOf(page.map));
  });
  page.dark.addEventListener("change", () => page.soon(), { signal });
  for (const [name, printing] of [["beforeprint", true], ["afterprint", false]]) {
    window.addEventListener(name, () => {
      page.printing = printing;
      page.redraw();
    }, { signal });
  }
  const resized = new ResizeObserver(() => page.soon());
  resized.observe(holder);
  holder.dataset.ready = "true";
  return {
    append: (pieces) => page.append(pieces),
    set: (map) => page.set(map),
    show: (name) => page.show(name),
    destroy: () => {
      ending.abort();
      resized.disconnect();
      cancelAnimationFrame(page.waiting);
      clearTimeout(page.resting);
      holder.replaceChildren();
      holder.classList.remove("layergram");
      delete holder.dataset.ready;
    },
  };
}
