// The form: which model, what to ask, what to measure, how to draw the answer, which heads to ablate.

import { make } from "./elements.js";

const MOST_BUTTONS = 1600; // heads that are shown as buttons; of more there is the list alone
const FIRST = ["lens", "derived", "residual"]; // families that stand before all others
const NUMBERS = [
  ["max_new_tokens", "Tokens at most", { min: 1, step: 1 }],
  ["temperature", "Temperature", { min: 0, step: 0.1 }],
  ["top_p", "Top-p", { min: 0.05, max: 1, step: 0.05 }],
  ["seed", "Seed", { min: 0, step: 1 }],
];

/** A label with what it labels. */
function labelled(text, node) {
  const label = make("label", "", { class: "field" });
  label.append(make("span", text), node);
  return label;
}

function section(title, open) {
  const details = make("details");
  details.open = open;
  const summary = make("summary", title);
  details.append(summary);
  return { details, summary };
}

/** Heads such as "3.1, 12.0", each as its layer and its number. */
export function headsIn(text) {
  return text.split(/[\s,;]+/).filter(Boolean).map((piece) => {
    const match = /^(\d+)\.(\d+)$/.exec(piece);
    if (!match) throw new Error(`"${piece}" is no head: write layer.head, such as 3.1`);
    return { layer: Number(match[1]), head: Number(match[2]) };
  });
}

/** The form and what it says. */
export class Form {
  constructor(about) {
    this.about = about;
    this.node = make("form", "", { class: "ask" });
    this.model = make("select");
    about.models.forEach(({ name }) => this.model.append(make("option", name, { value: name })));
    this.prompt = make("textarea", "", { rows: 4, maxlength: about.limits.prompt, required: "" });
    this.prompt.placeholder = "What is the capital of France?";
    this.start = make("button", "Run", { class: "main" });
    this.stop = make("button", "Stop", { type: "button", disabled: "" });
    this.beside = make("input", "", { type: "checkbox" });
    const keep = make("label", "", { class: "check" });
    keep.append(this.beside, make("span", "keep the present run beside it"));
    const buttons = make("div", "", { class: "buttons" });
    buttons.append(this.start, this.stop);
    this.node.append(
      labelled("Prompt", this.prompt), buttons, keep, labelled("Model", this.model),
      this.measures(), this.sampling(), this.heads(),
    );
    this.model.addEventListener("change", () => this.drawModel());
    this.prompt.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.node.requestSubmit();
    });
    this.drawModel();
  }

  measures() {
    const { details, summary } = section("", false);
    const list = make("div", "", { class: "measures" });
    const place = ({ family }) => (FIRST.includes(family) ? FIRST.indexOf(family) : FIRST.length);
    this.boxes = [...this.about.measures].sort((a, b) => place(a) - place(b)).map((one) => {
      const box = make("input", "", { type: "checkbox", value: one.name });
      box.checked = this.about.defaults.measures.includes(one.name);
      const label = make("label", "", { class: "check", title: one.definition });
      label.append(box, make("span", one.name.replaceAll("_", " ")));
      list.append(label);
      return box;
    });
    const count = () => {
      const chosen = this.chosenBoxes();
      summary.textContent = `Measures: ${chosen.map((box) => box.value.replaceAll("_", " ")).join(", ") || "none"}`;
    };
    this.boxesOf = (names) => {
      for (const box of this.boxes) box.disabled = box.parentNode.hidden = !names.includes(box.value);
      count();
    };
    list.addEventListener("change", count);
    count();
    details.append(list);
    return details;
  }

  /** What is chosen among the measures that the model can have. */
  chosenBoxes() {
    return this.boxes.filter((box) => box.checked && !box.disabled);
  }

  sampling() {
    const { details } = section("Sampling", true);
    const grid = make("div", "", { class: "numbers" });
    this.numbers = {};
    for (const [name, text, bounds] of NUMBERS) {
      const input = make("input", "", { type: "number", ...bounds });
      if (name === "max_new_tokens") input.max = this.about.limits.new_tokens;
      input.value = this.about.defaults[name];
      this.numbers[name] = input;
      grid.append(labelled(text, input));
    }
    details.append(grid);
    return details;
  }

  heads() {
    const { details, summary } = section("Ablated heads: none", false);
    this.headsTitle = summary;
    this.chosen = make("input", "", { type: "text", placeholder: "layer.head, such as 3.1, 12.0", spellcheck: "false" });
    this.how = make("select");
    for (const [value, text] of [["zero", "set to 0"], ["scale", "scaled by 0.0001"]]) this.how.append(make("option", text, { value }));
    this.how.value = this.about.defaults.how;
    this.grid = make("div", "", { class: "scroll heads", role: "group", "aria-label": "heads, layer by layer" });
    const clear = make("button", "None", { type: "button" });
    clear.addEventListener("click", () => this.setHeads([]));
    this.chosen.addEventListener("input", () => this.markHeads());
    this.grid.addEventListener("click", ({ target }) => {
      if (target.dataset.head) this.toggleHead(Number(target.dataset.layer), Number(target.dataset.head));
    });
    details.append(labelled("Heads", this.chosen), labelled("Output", this.how), this.grid, clear);
    return details;
  }

  /** Offer the measures and the heads of the model that is chosen. */
  drawModel() {
    const { heads, editable, measures } = this.about.models.find(({ name }) => name === this.model.value);
    this.boxesOf(measures);
    const total = heads.reduce((sum, count) => sum + count, 0);
    const rows = total > MOST_BUTTONS ? [] : heads.map((count, at) => {
      const row = make("div", "", { class: "row" });
      row.append(make("span", String(at + 1), { class: "layer" }));
      for (let head = 0; head < count && editable.includes(at + 1); head += 1) {
        row.append(make("button", String(head), {
          type: "button", "data-layer": at + 1, "data-head": head, "aria-pressed": "false",
          "aria-label": `layer ${at + 1}, head ${head}`,
        }));
      }
      return row;
    }).reverse();
    this.grid.replaceChildren(...rows);
    this.grid.hidden = rows.length === 0;
    this.markHeads();
  }

  toggleHead(layer, head) {
    const now = this.headsNow();
    const left = now.filter((one) => one.layer !== layer || one.head !== head);
    this.setHeads(left.length < now.length ? left : [...now, { layer, head }]);
  }

  headsNow() {
    try {
      return headsIn(this.chosen.value);
    } catch {
      return [];
    }
  }

  setHeads(heads) {
    this.chosen.value = heads.map(({ layer, head }) => `${layer}.${head}`).join(", ");
    this.markHeads();
  }

  markHeads() {
    let troubled = "";
    try {
      headsIn(this.chosen.value);
    } catch (error) {
      troubled = error.message;
    }
    this.chosen.setCustomValidity(troubled);
    const names = new Set(this.headsNow().map(({ layer, head }) => `${layer}.${head}`));
    this.headsTitle.textContent = `Ablated heads: ${names.size || "none"}`;
    for (const button of this.grid.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(names.has(`${button.dataset.layer}.${button.dataset.head}`)));
    }
  }

  /** What is asked, as the server takes it. */
  get request() {
    const numbers = Object.entries(this.numbers).map(([name, input]) => [name, Number(input.value)]);
    return {
      model: this.model.value,
      prompt: this.prompt.value,
      measures: this.chosenBoxes().map((box) => box.value),
      ...Object.fromEntries(numbers),
      ablate: headsIn(this.chosen.value),
      how: this.how.value,
    };
  }

  /** Ask what an earlier run asked. */
  set request(asked) {
    const known = this.about.models.some(({ name }) => name === asked.model);
    if (known) this.model.value = asked.model;
    this.prompt.value = asked.prompt;
    for (const box of this.boxes) box.checked = asked.measures.includes(box.value);
    for (const [name, input] of Object.entries(this.numbers)) input.value = asked[name];
    this.how.value = asked.how;
    this.drawModel();
    this.setHeads(asked.ablate);
  }

  busy(is) {
    this.start.disabled = is;
    this.stop.disabled = !is;
  }
}
