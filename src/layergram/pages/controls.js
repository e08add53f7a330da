// What a reader can change of the scale: its kind, its limits, and whether sinks count.

import { scaleNow, scaleWithin } from "./columns.js";

/** The scale of a map by its reader's choices; without any, as the figure planned it. */
export function scaleChosen(map) {
  const { kind, sinks, limits } = map.choice;
  const planned = !kind && sinks === map.planned.sinks && !map.came;
  const scale = planned ? map.planned : { ...scaleNow(map, { kind: kind || map.planned.kind, sinks }) };
  return limits ? scaleWithin(map, scale, ...limits) : scale;
}

/** Keep the scale as the figure planned it, and begin without choices. */
export function unchosen(map) {
  map.planned = map.scale && { ...map.scale, sinks: map.sinks ? "off" : "on" };
  map.choice = { kind: "", sinks: map.planned?.sinks ?? "on", limits: null };
}

/** Show the choices of a map in the elements. */
export function showChoice({ scale, low, high, sinks, sinksLabel, auto }, map) {
  const coloured = map.scale !== null;
  for (const part of [scale, low.parentElement, high.parentElement, auto]) part.hidden = !coloured;
  sinksLabel.hidden = !coloured || !map.sinks;
  if (!coloured) return;
  const { kind } = map.scale;
  scale.hidden = kind === "diverging" || !(map.scale.most > 0);
  scale.value = kind;
  sinks.checked = map.choice.sinks === "off";
  sinks.disabled = kind === "log" || map.choice.limits !== null;
  low.placeholder = String(Number(map.scale.low.toPrecision(4)));
  high.placeholder = String(Number(map.scale.high.toPrecision(4)));
  if (!map.choice.limits) [low.value, high.value] = ["", ""];
}

/** Limits as typed, or null: an empty field keeps the present end. */
function limitsTyped({ low, high }, { kind, centre, ...scale }) {
  const ends = [low, high].map((field, at) => (field.value === "" ? [scale.low, scale.high][at] : Number(field.value)));
  const fit = ends.every(Number.isFinite) && ends[0] < ends[1] && (kind !== "log" || ends[0] > 0)
    && (kind !== "diverging" || (ends[0] < centre && centre < ends[1]));
  return fit ? ends : null;
}

/** Follow what the reader chooses. */
export function listenToChoices(page, elements, changed) {
  const { scale, low, high, sinks, auto } = elements;
  const choose = (choice) => {
    const { map } = page;
    map.choice = { ...map.choice, ...choice };
    map.scale = scaleChosen(map);
    for (const field of [low, high]) field.removeAttribute("aria-invalid");
    showChoice(elements, map);
    changed();
  };
  scale.addEventListener("change", () => choose({ kind: scale.value, limits: null }));
  sinks.addEventListener("change", () => choose({ sinks: sinks.checked ? "off" : "on" }));
  auto.addEventListener("click", () => choose({ kind: "", sinks: page.map.planned.sinks, limits: null }));
  for (const field of [low, high]) {
    field.addEventListener("change", () => {
      if (low.value === "" && high.value === "") { choose({ limits: null }); return; }
      const limits = limitsTyped(elements, page.map.scale);
      if (limits) choose({ limits });
      else field.setAttribute("aria-invalid", "true");
    });
  }
}
