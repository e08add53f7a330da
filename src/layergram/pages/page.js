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
    head.append(make("th", map.rowLabel, { scope: "col" }));
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

async function mount(holder, data) {
  const heading = make("h1", data.title);
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
  const sections = ["Notes and legend", "Table of the values"].map((text) => {
    const section = make("details");
    const inner = make("div", "", { class: "scroll", tabindex: "0", role: "region", "aria-label": text });
    section.append(make("summary", text), inner);
    return { section, inner };
  });
  const [notes, table] = sections;
  holder.append(heading, bar, canvas, keys, readout, curves, make("h2", "In words"), words, notes.section, table.section, tip);

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const state = { seen: [0, 1], pin: null, blocks: [] };
  let map = null;
  let layout = null;
  let printing = false;
  let waiting = false;

  const redraw = () => {
    waiting = false;
    const theme = dark.matches && !printing ? DARK : LIGHT;
    layout = paint(canvas, map, state, theme);
    curves.hidden = state.pin === null;
    if (state.pin) paintCurves(curves, map, state.pin, theme);
  };
  const soon = () => {
    if (!waiting) requestAnimationFrame(redraw);
    waiting = true;
  };
  const look = (from, to) => {
    const count = map.columns.length;
    const wide = Math.min(count, Math.max(Math.min(4, count), to - from));
    const start = Math.max(0, Math.min(count - wide, from));
    state.seen = [start, start + wide];
    soon();
  };
  const zoom = (factor, centre) => {
    const [from, to] = state.seen;
    look(centre - (centre - from) * factor, centre + (to - centre) * factor);
  };
  const setPin = (pin) => {
    state.pin = pin;
    const text = pin ? linesOf(map, map.panels[pin.panel], pin.row, pin.column).join(" · ") : "";
    readout.textContent = text;
    curves.setAttribute("aria-label", pin ? "the pinned cell's row and column as lines" : "");
    if (pin && (pin.column < state.seen[0] || pin.column + 1 > state.seen[1])) {
      const wide = state.seen[1] - state.seen[0];
      look(pin.column + 0.5 - wide / 2, pin.column + 0.5 + wide / 2);
    }
    soon();
  };
  const cellAt = (event) => {
    const box = canvas.getBoundingClientRect();
    return cellUnder(map, layout, state.seen, event.clientX - box.left, event.clientY - box.top);
  };

  const fillWords = () => {
    words.replaceChildren(...map.said.map((said) => {
      const line = make("li");
      if (!said.blocks.length) { line.append(make("p", said.text)); return line; }
      const button = make("button", said.text, { "aria-pressed": "false" });
      button.addEventListener("click", () => {
        const on = button.getAttribute("aria-pressed") !== "true";
        words.querySelectorAll("button").forEach((other) => other.setAttribute("aria-pressed", "false"));
        button.setAttribute("aria-pressed", String(on));
        state.blocks = on ? said.blocks : [];
        soon();
      });
      line.append(button);
      return line;
    }));
  };
  const show = async (at) => {
    map = await unpackedMap(data.maps[at]);
    state.blocks = [];
    state.seen = [0, map.columns.length];
    state.pin = null;
    readout.textContent = "";
    canvas.setAttribute("aria-label", `${map.label}: heatmap; the table below has its values`);
    fillWords();
    notes.inner.replaceChildren(...notesOf(map));
    table.inner.replaceChildren(...(table.section.open ? tableOf(map) : []));
    redraw();
  };

  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, seen: state.seen, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointerup", (event) => {
    const cell = drag && !drag.moved ? cellAt(event) : null;
    drag = null;
    if (cell) setPin(cell);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drag && Math.abs(event.clientX - drag.x) > 3) {
      drag.moved = true;
      const by = (drag.x - event.clientX) / layout.pitch;
      look(drag.seen[0] + by, drag.seen[1] + by);
    }
    const cell = cellAt(event);
    tip.hidden = cell === null;
    if (!cell) return;
    tip.textContent = linesOf(map, map.panels[cell.panel], cell.row, cell.column).join("\n");
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 6)}px`;
    tip.style.top = `${Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 6)}px`;
  });
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
  canvas.addEventListener("wheel", (event) => {
    const cell = cellAt(event);
    if (!cell || map.columns.length <= 4) return;
    event.preventDefault();
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const by = event.deltaX / layout.pitch;
      look(state.seen[0] + by, state.seen[1] + by);
    } else zoom(1.0015 ** event.deltaY, cell.column + 0.5);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const middle = (state.seen[0] + state.seen[1]) / 2;
    const clamp = (at, count) => Math.max(0, Math.min(count - 1, at));
    if (event.key === "Enter" && !state.pin) setPin({ panel: 0, row: 0, column: Math.floor(state.seen[0]) });
    else if (event.key === "Escape") setPin(null);
    else if (event.key === "+") zoom(0.7, middle);
    else if (event.key === "-") zoom(1 / 0.7, middle);
    else if (event.key === "0") look(0, map.columns.length);
    else if (moves[event.key] && state.pin) {
      const [down, right] = moves[event.key];
      const row = clamp(state.pin.row + (map.upwards ? -down : down), map.rows.length);
      setPin({ ...state.pin, row, column: clamp(state.pin.column + right, map.columns.length) });
    } else return;
    event.preventDefault();
  });
  csv.addEventListener("click", () => offer(new Blob([csvOf(map)], { type: "text/csv" }), `${map.variable}.csv`));
  png.addEventListener("click", () => canvas.toBlob((blob) => offer(blob, `${map.variable}.png`)));
  whole.addEventListener("click", () => look(0, map.columns.length));
  chosen.addEventListener("change", () => show(Number(chosen.value)));
  table.section.addEventListener("toggle", () => {
    if (table.section.open && !table.inner.childElementCount) table.inner.append(...tableOf(map));
  });
  dark.addEventListener("change", soon);
  window.addEventListener("beforeprint", () => { printing = true; redraw(); });
  window.addEventListener("afterprint", () => { printing = false; redraw(); });
  await show(0);
  new ResizeObserver(soon).observe(holder);
  holder.dataset.ready = String(Math.round(performance.now()));
}

mount(document.getElementById("page"), JSON.parse(document.getElementById("data").textContent));
