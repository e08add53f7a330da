// The page itself: elements, what pointing and keys do, words, table, downloads. Only text is set.

const MOST_CELLS = 20000; // of the table

/** An element with text. */
function make(name, text = "", attributes = {}) {
  const node = document.createElement(name);
  node.textContent = text;
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

/** A file for the reader. */
function offer(blob, name) {
  const link = make("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** The values as a table, the first columns only where they are very many. */
function tableOf(map) {
  const most = Math.max(1, Math.floor(MOST_CELLS / (map.rows.length * map.panels.length)));
  const columns = map.columns.slice(0, most);
  const nodes = [];
  if (columns.length < map.columns.length) {
    nodes.push(make("p", `The first ${columns.length} of ${map.columns.length} columns; the CSV file has all.`));
  }
  for (const panel of map.panels) {
    const table = make("table");
    table.append(make("caption", [map.label, panel.title].filter(Boolean).join(", ")));
    const head = make("tr");
    head.append(make("th", map.rowLabel || "Map", { scope: "col" }));
    columns.forEach((_, c) => head.append(make("th", map.columnNames[c], { scope: "col" })));
    table.append(head);
    map.rows.forEach((_, r) => {
      const line = make("tr");
      line.append(make("th", map.rowNames[r] || map.label, { scope: "row" }));
      columns.forEach((__, c) => line.append(make("td", written(map.values[placeOf(map, panel, r, c)]))));
      table.append(line);
    });
    nodes.push(table);
  }
  return nodes;
}

/** Signs, notes and how the map was made. */
function notesOf(map) {
  const list = make("ul");
  for (const entry of map.legend) list.append(make("li", `${entry.look}: ${entry.text}`));
  for (const note of map.notes) list.append(make("li", note));
  const about = make("table");
  for (const [key, value] of map.about) {
    const line = make("tr");
    line.append(make("th", key, { scope: "row" }), make("td", value.length > 300 ? `${value.slice(0, 300)}…` : value));
    about.append(line);
  }
  return [list, about];
}

/** The elements of the page, put into its holder. */
function elementsOf(holder, data) {
  const bar = make("div", "", { class: "bar" });
  const chosen = make("select", "", { "aria-label": "map" });
  data.maps.forEach((map, at) => chosen.append(make("option", map.name, { value: at })));
  const csv = make("button", "CSV");
  const png = make("button", "PNG");
  const whole = make("button", "Whole width");
  bar.append(...(data.maps.length > 1 ? [chosen] : []), csv, png, whole);
  const canvas = make("canvas", "", { tabindex: "0", role: "application", "aria-roledescription": "heatmap", "aria-describedby": "keys" });
  const keys = make("p", "Point at a cell to read it; click or Enter pins it, arrow keys move it, Esc lets it go. Wheel or + and − zoom, dragging moves, 0 shows all.", { class: "hint", id: "keys" });
  const readout = make("output", "", { "aria-live": "polite" });
  const curves = make("canvas", "", { role: "img" });
  const tip = make("div", "", { id: "tip", "aria-hidden": "true" });
  tip.hidden = true;
  const words = make("ul", "", { class: "words" });
  const [notes, table] = ["Notes and legend", "Table of the values"].map((text) => {
    const section = make("details");
    const inner = make("div", "", { class: "scroll", tabindex: "0", role: "region", "aria-label": text });
    section.append(make("summary", text), inner);
    return { section, inner };
  });
  holder.append(make("h1", data.title), bar, canvas, keys, readout, curves, make("h2", "In words"), words, notes.section, table.section, tip);
  return { chosen, csv, png, whole, canvas, readout, curves, tip, words, notes, table };
}

/** What the page shows now, and how that changes. */
class Page {
  constructor(elements) {
    this.elements = elements;
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.printing = false;
    this.waiting = false;
  }

  async show(given) {
    const { canvas, readout, words, notes, table } = this.elements;
    this.map = await unpackedMap(given);
    this.blocks = [];
    this.seen = [0, this.map.columns.length];
    this.pin = null;
    readout.textContent = "";
    canvas.setAttribute("aria-label", `${this.map.label}: heatmap; the table below has its values`);
    words.replaceChildren(...this.map.said.map((said) => this.lineOf(said)));
    notes.inner.replaceChildren(...notesOf(this.map));
    table.inner.replaceChildren(...(table.section.open ? tableOf(this.map) : []));
    this.redraw();
  }

  redraw() {
    const { canvas, curves } = this.elements;
    this.waiting = false;
    const theme = this.dark.matches && !this.printing ? DARK : LIGHT;
    this.layout = paint(canvas, this.map, this, theme);
    curves.hidden = this.pin === null;
    if (this.pin) paintCurves(curves, this.map, this.pin, theme);
  }

  soon() {
    if (!this.waiting) requestAnimationFrame(() => this.redraw());
    this.waiting = true;
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

  setPin(pin) {
    const { readout, curves } = this.elements;
    this.pin = pin;
    readout.textContent = pin ? linesOf(this.map, this.map.panels[pin.panel], pin.row, pin.column).join(" · ") : "";
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

  cellAt(event) {
    const box = this.elements.canvas.getBoundingClientRect();
    return cellUnder(this.map, this.layout, this.seen, event.clientX - box.left, event.clientY - box.top);
  }
}

/** Pointing, clicking, dragging and the wheel. */
function listenToPointer(page) {
  const { canvas, tip } = page.elements;
  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, seen: page.seen, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointerup", (event) => {
    const cell = drag && !drag.moved ? page.cellAt(event) : null;
    drag = null;
    if (cell) page.setPin(cell);
  });
  canvas.addEventListener("pointercancel", () => { drag = null; });
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
  });
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
  canvas.addEventListener("wheel", (event) => {
    const cell = page.cellAt(event);
    if (!cell || page.map.columns.length <= 4) return;
    event.preventDefault();
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const by = event.deltaX / page.layout.pitch;
      page.look(page.seen[0] + by, page.seen[1] + by);
    } else page.zoom(1.0015 ** event.deltaY, cell.column + 0.5);
  }, { passive: false });
}

function listenToKeys(page) {
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
  });
}

async function mount(holder, data) {
  const elements = elementsOf(holder, data);
  const page = new Page(elements);
  const { canvas, chosen, csv, png, whole, table } = elements;
  await page.show(data.maps[0]);
  listenToPointer(page);
  listenToKeys(page);
  csv.addEventListener("click", () => offer(new Blob([csvOf(page.map)], { type: "text/csv" }), `${page.map.variable}.csv`));
  png.addEventListener("click", () => canvas.toBlob((blob) => offer(blob, `${page.map.variable}.png`)));
  whole.addEventListener("click", () => page.look(0, page.map.columns.length));
  chosen.addEventListener("change", () => page.show(data.maps[Number(chosen.value)]));
  table.section.addEventListener("toggle", () => {
    if (table.section.open && !table.inner.childElementCount) table.inner.append(...tableOf(page.map));
  });
  page.dark.addEventListener("change", () => page.soon());
  for (const [name, printing] of [["beforeprint", true], ["afterprint", false]]) {
    window.addEventListener(name, () => {
      page.printing = printing;
      page.redraw();
    });
  }
  new ResizeObserver(() => page.soon()).observe(holder);
  holder.dataset.ready = "true";
}

mount(document.getElementById("page"), JSON.parse(document.getElementById("data").textContent));
