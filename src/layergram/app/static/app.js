// The live app: the form, two panes and a difference, the history, and folders of results.

import { make } from "./elements.js";
import { Form } from "./form.js";
import { Pane, lineOf } from "./pane.js";
import { ask } from "./server.js";

const AGAIN = 700; // ms after which the history is asked again while a run is at work

const app = document.getElementById("app");
const about = await ask("/api/about");
const status = make("p", "", { class: "status", role: "status" });
const alert = make("div", "", { class: "alert", role: "alert" });
alert.hidden = true;
const form = new Form(about);
const past = make("ul", "", { class: "list" });
const folders = make("div", "", { class: "list" });
const hooks = {
  measures: Object.fromEntries(about.measures.map(({ name, alignment }) => [name, alignment])),
  has: ({ request }, measure) => about.models.find(({ name }) => name === request.model)?.measures.includes(measure) ?? false,
  trouble,
  ablate(layer, head) {
    form.toggleHead(layer, head);
    status.textContent = `Ablated in the next run: ${form.chosen.value || "no head"}.`;
  },
  changed: () => { remember(); controls(); },
};
const panes = [new Pane("the run", hooks), new Pane("the run beside it", hooks)];
const third = new Pane("map", hooks);
let running = null;

/** Say what went wrong, in its four parts. */
function trouble(error) {
  if (error.name === "AbortError") return;
  const { asked = error.message, got, allowed, do: next } = error.parts ?? {};
  const lines = [["Asked for", asked], ["Got", got], ["Allowed", allowed], ["Do", next]];
  const close = make("button", "Close", { type: "button" });
  close.addEventListener("click", () => { alert.hidden = true; });
  alert.replaceChildren(...lines.filter(([, text]) => text).map(([name, text]) => make("p", `${name}: ${text}`)), close);
  alert.hidden = false;
}

/** Do it, and say what went wrong. */
function tried(work) {
  return async (...given) => {
    alert.hidden = true;
    try {
      await work(...given);
    } catch (error) {
      trouble(error);
    }
  };
}

/** Which runs are shown stands in the address, so that a reload shows them again. */
function remember() {
  const ids = panes.map((pane) => pane.id).filter(Boolean);
  history.replaceState(null, "", ids.length ? `#${ids.join(",")}` : location.pathname);
}

const run = tried(async () => {
  if (!form.node.reportValidity()) return;
  const { request } = form;
  if (form.beside.checked && panes[0].id) panes.reverse().forEach((pane) => columns.append(pane.node));
  else panes[1].clear();
  third.clear();
  running = new AbortController();
  form.busy(true);
  const tell = (text) => { status.textContent = text; };
  try {
    await panes[0].run(request, running.signal, tell);
    const { record } = panes[0];
    tell(record ? ended(record) : "Stopped before it began.");
  } catch (error) {
    tell(error.name === "AbortError" ? "Stopped before it began." : "The run failed.");
    if (error.name === "AbortError") panes[0].clear();
    throw error;
  } finally {
    running = null;
    form.busy(false);
    listHistory();
  }
});

function ended({ status: how, ids, prompt_tokens: given, seconds }) {
  const made = ids.length - given;
  return `${how === "stopped" ? "Stopped" : "Done"}: ${made} ${made === 1 ? "token" : "tokens"} in ${seconds.toFixed(1)} s.`;
}

const stop = tried(async () => {
  if (panes[0].id && running) await ask(`/api/runs/${panes[0].id}/stop`, {});
  else running?.abort();
});

/** The buttons of each pane. */
function controls() {
  for (const pane of panes) {
    if (!pane.viewed || pane.viewed !== pane.id) continue;
    const offer = (text, work) => {
      const button = make("button", text, { type: "button" });
      button.addEventListener("click", tried(work));
      return button;
    };
    const other = panes.find((one) => one !== pane);
    const buttons = [
      offer("Ask this again", () => { form.request = pane.record.request; form.prompt.focus(); }),
      offer("Save", () => pane.save()),
      offer("Close", () => { pane.clear(); remember(); controls(); }),
    ];
    const shared = other.record?.maps?.find((name) => pane.record.maps.includes(name));
    if (pane === panes[0] && other.viewed && shared) buttons.push(...differences(pane, other));
    pane.buttons.replaceChildren(...buttons);
  }
}

/** Choose a measure of both runs, and see the first less the second. */
function differences(one, other) {
  const chosen = make("select", "", { "aria-label": "measure of the difference" });
  for (const name of one.record.maps.filter((name) => other.record.maps.includes(name))) {
    chosen.append(make("option", name.replaceAll("_", " "), { value: name }));
  }
  const button = make("button", "Difference", { type: "button" });
  button.addEventListener("click", tried(async () => {
    const view = await ask("/api/differences", { first: one.id, second: other.id, measure: chosen.value });
    await third.showMap(view, "Difference", `${chosen.selectedOptions[0].textContent}, position by position: the first run less the one beside it`);
    third.node.scrollIntoView({ behavior: "smooth", block: "start" });
  }));
  return [chosen, button];
}

async function listHistory() {
  const runs = await ask("/api/runs");
  past.replaceChildren(...runs.map((record) => {
    const line = make("li");
    const open = make("button", record.request.prompt.slice(0, 200), { type: "button", class: "name" });
    open.addEventListener("click", tried(() => panes[0].open(record.id)));
    const beside = make("button", "beside", { type: "button", "aria-label": `show beside: ${record.request.prompt.slice(0, 80)}` });
    beside.addEventListener("click", tried(() => panes[1].open(record.id)));
    const when = new Date(record.created).toLocaleString();
    open.disabled = beside.disabled = record.status === "running";
    const state = record.status === "done" ? "" : ` · ${record.status}`;
    line.append(open, beside, make("span", `${when} · ${lineOf(record)}${state}`, { class: "hint" }));
    return line;
  }));
  if (!runs.length) past.append(make("li", "No run yet.", { class: "hint" }));
  if (!running && runs.some((record) => record.status === "running")) setTimeout(() => listHistory().catch(trouble), AGAIN);
}

async function listFolders() {
  const found = await ask("/api/results");
  folders.replaceChildren(...found.map(({ folder, maps }) => {
    const details = make("details");
    const names = make("ul", "", { class: "list" });
    details.append(make("summary", folder === "." ? about.out : folder), names);
    for (const name of maps) {
      const button = make("button", name, { type: "button", class: "name" });
      button.addEventListener("click", tried(() => openResult(folder, name)));
      const line = make("li");
      line.append(button);
      names.append(line);
    }
    return details;
  }));
  if (!found.length) folders.append(make("p", `None in ${about.out} yet: layergram roles, heads and depth write there with --out ${about.out}/NAME.`, { class: "hint" }));
}

/** A map of a folder, with the folder's numbers. */
async function openResult(folder, name) {
  const query = new URLSearchParams({ folder, name });
  const [view, { summary }] = await Promise.all([
    ask(`/api/results/view?${query}`), ask(`/api/results/folder?${new URLSearchParams({ folder })}`),
  ]);
  await third.showMap(view, `${folder === "." ? "" : `${folder}/`}${name}`, "a map of a folder of results");
  if (summary.length) {
    const details = make("details");
    const inner = make("div", "", { class: "scroll", tabindex: "0", role: "region", "aria-label": "summary" });
    const table = make("table");
    for (const [key, value] of summary) {
      const row = make("tr");
      row.append(make("th", key, { scope: "row" }), make("td", value.length > 300 ? `${value.slice(0, 300)}…` : value));
      table.append(row);
    }
    inner.append(table);
    details.append(make("summary", "Summary of the folder"), inner);
    third.files.replaceChildren(details);
  }
  third.node.scrollIntoView({ behavior: "smooth", block: "start" });
}

const side = make("section", "", { class: "side", "aria-label": "ask" });
const kept = make("div", "", { class: "kept" });
const columns = make("div", "", { class: "columns" });
const shown = make("div", "", { class: "shown" });
const head = make("header");
head.append(make("h1", "layergram"), status);
const wide = matchMedia("(min-width: 761px)").matches;
const lists = [["History", past], ["Results", folders]].map(([title, list]) => {
  const part = make("details");
  const summary = make("summary");
  part.open = wide;
  summary.append(make("h2", title));
  part.append(summary, list);
  return part;
});
side.append(form.node);
kept.append(...lists);
columns.append(...panes.map((pane) => pane.node));
shown.append(alert, columns, third.node);
app.append(head, side, kept, shown);
status.textContent = "Ask something: the maps grow with the answer.";
form.node.addEventListener("submit", (event) => { event.preventDefault(); run(); });
form.stop.addEventListener("click", stop);
await Promise.all([listHistory(), listFolders()].map((work) => work.catch(trouble)));

const ids = location.hash.slice(1).split(",").filter(Boolean).slice(0, 2);
for (const [at, id] of ids.entries()) await opened(panes[at], id);
app.dataset.ready = "true";

/** Show a run of the address; one that is being stopped by the reload is waited for. */
async function opened(pane, id) {
  try {
    for (let tries = 0; tries < 20; tries += 1) {
      const record = await ask(`/api/runs/${id}`);
      if (record.status !== "running") break;
      await new Promise((done) => { setTimeout(done, AGAIN / 2); });
    }
    await pane.open(id);
    form.request = pane.record.request;
    status.textContent = ended(pane.record);
  } catch (error) {
    trouble(error);
  }
}
