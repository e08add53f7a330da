// The elements of a page: only text is set, never markup.

import { placeOf, written } from "./data.js";

const MOST_CELLS = 20000; // of the table

/** An element with text. */
export function make(name, text = "", attributes = {}) {
  const node = document.createElement(name);
  node.textContent = text;
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

/** A file for the reader. */
export function offer(blob, name) {
  const link = make("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** The values as a table, the first columns only where they are very many. */
export function tableOf(map) {
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
export function notesOf(map) {
  const list = make("ul");
  for (const entry of map.legend) {
    const line = make("li");
    if (entry.colour) {
      const swatch = make("span", "", { class: "swatch" });
      swatch.style.borderColor = entry.colour;
      if (entry.look === "bar") swatch.style.backgroundColor = entry.colour;
      line.append(swatch, " ");
    }
    line.append(`${entry.look}: ${entry.text}`);
    list.append(line);
  }
  for (const note of map.notes) list.append(make("li", note));
  const about = make("table");
  for (const [key, value] of map.about) {
    const line = make("tr");
    line.append(make("th", key, { scope: "row" }), make("td", value.length > 300 ? `${value.slice(0, 300)}…` : value));
    about.append(line);
  }
  return [list, about];
}

/** A field with its name before it, or after a box to tick. */
function labelled(text, attributes) {
  const label = make("label");
  const field = make("input", "", attributes);
  if (attributes.type === "checkbox") label.append(field, text);
  else label.append(text, field);
  return field;
}

/** What a reader can change of the scale. */
function choicesOf() {
  const scale = make("select", "", { "aria-label": "scale" });
  for (const kind of ["linear", "log"]) scale.append(make("option", kind, { value: kind }));
  const low = labelled("colours from ", { type: "number", step: "any" });
  const high = labelled("to ", { type: "number", step: "any" });
  const sinks = labelled("sinks off the scale", { type: "checkbox" });
  const auto = make("button", "Reset colours");
  return { scale, low, high, sinks, sinksLabel: sinks.parentElement, auto };
}

let mounted = 0; // pages so far: names of elements must differ

/** The elements of the page, put into its holder. */
export function elementsOf(holder, data) {
  mounted += 1;
  const bar = make("div", "", { class: "bar" });
  const chosen = make("select", "", { "aria-label": "map" });
  const csv = make("button", "CSV");
  const png = make("button", "PNG");
  const svg = make("button", "SVG");
  const whole = make("button", "Whole width");
  const choices = choicesOf();
  const { scale, low, high, sinksLabel, auto } = choices;
  bar.append(chosen, scale, low.parentElement, high.parentElement, auto, sinksLabel, whole, csv, png, svg);
  const canvas = make("canvas", "", { tabindex: "0", role: "application", "aria-roledescription": "heatmap", "aria-describedby": `keys-${mounted}` });
  const keys = make("p", "Point at a cell to read it; click or Enter pins it, arrow keys move it, Esc lets it go. Wheel or + and − zoom, dragging moves, 0 shows all.", { class: "hint", id: `keys-${mounted}` });
  const readout = make("output", "", { "aria-live": "polite" });
  const curves = make("canvas", "", { role: "img" });
  const tip = make("div", "", { class: "tip", "aria-hidden": "true" });
  tip.hidden = true;
  const words = make("ul", "", { class: "words" });
  const tint = make("select", "", { "aria-label": "colour of the tokens" });
  const tinted = make("p", "", { class: "tinted", dir: "auto" });
  const [text, notes, table] = ["The text, tinted", "Notes and legend", "Table of the values"].map((text) => {
    const section = make("details");
    const inner = make("div", "", { class: "scroll", tabindex: "0", role: "region", "aria-label": text });
    section.append(make("summary", text), inner);
    return { section, inner };
  });
  holder.classList.add("layergram");
  text.inner.append(tint, tinted);
  const heading = make("h1", data.title ?? "");
  if ((data.title ?? null) !== null) holder.append(heading);
  holder.append(bar, canvas, keys, readout, curves, make("h2", "In words"), words, text.section, notes.section, table.section, tip);
  return {
    holder, heading, chosen, choices, csv, png, svg, whole, canvas, readout, curves, tip, words,
    text, tint, tinted, notes, table,
  };
}
