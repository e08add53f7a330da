// A pane: one run with its answer, its maps, and what a reader asks about a cell or a token.

import { contained } from "./data.js";
import { make } from "./elements.js";
import { mount } from "./page.js";
import { ask, eventsOf } from "./server.js";

/** A token as a reader should see it. */
function shown(text) {
  return contained(text).replaceAll("\n", "⏎\n") || "∅";
}

function quoted(text) {
  return `“${text.trim() || text.replaceAll("\n", "⏎")}”`;
}

function percent(share) {
  return share < 0.0005 ? "below 0.1 %" : `${(100 * share).toFixed(1)} %`;
}

/** What was asked, in one line. */
export function lineOf({ request, model }) {
  const pieces = [model, request.temperature ? `temperature ${request.temperature}, top-p ${request.top_p}, seed ${request.seed}` : "greedy"];
  if (request.ablate.length) {
    const heads = request.ablate.slice(0, 6).map(({ layer, head }) => `${layer}.${head}`).join(", ");
    pieces.push(`without ${request.ablate.length === 1 ? "head" : "heads"} ${heads}${request.ablate.length > 6 ? " …" : ""}`);
  }
  return pieces.join(" · ");
}

/** One run on the page. */
export class Pane {
  /**
   * @param {object} hooks `measures`: alignments by name; `has(record, measure)`: whether a run's model
   *   can have it; `trouble(error)`; `ablate(layer, head)`;
   *   `changed()`: the pane shows another run, or has more of it
   */
  constructor(name, hooks) {
    this.hooks = hooks;
    this.node = make("section", "", { class: "pane", "aria-label": name });
    this.title = make("h2", "");
    this.line = make("p", "", { class: "hint" });
    this.tokens = make("div", "", { class: "tokens", role: "group", "aria-label": "tokens" });
    this.buttons = make("div", "", { class: "buttons" });
    this.files = make("p", "", { class: "files" });
    this.maps = make("div", "", { class: "maps" });
    this.look = make("div", "", { class: "look" });
    this.cell = make("div", "", { class: "look", "aria-live": "polite" });
    this.node.append(this.title, this.line, this.tokens, this.buttons, this.files, this.look, this.maps);
    this.tokens.addEventListener("click", ({ target }) => {
      if (target.dataset.at) this.attention(Number(target.dataset.at));
    });
    this.maps.addEventListener("pin", ({ detail }) => this.pinned(detail));
    this.clear();
  }

  clear() {
    this.page?.destroy();
    this.seen?.destroy();
    this.page = this.seen = this.record = this.id = this.viewed = null;
    this.asked = 0;
    this.texts = [];
    for (const node of [this.tokens, this.look, this.cell, this.buttons, this.files]) node.replaceChildren();
    this.title.textContent = this.line.textContent = "";
    this.node.hidden = true;
    delete this.node.dataset.status;
  }

  headed(record) {
    this.record = record;
    this.node.hidden = false;
    this.title.textContent = record.request.prompt;
    this.line.textContent = lineOf(record);
    this.node.dataset.status = record.status;
  }

  /** Start a run and follow it to its end. */
  async run(request, signal, tell) {
    this.clear();
    this.headed({ request, model: request.model, status: "queued" });
    let last = null;
    for await (const event of eventsOf("/api/runs", request, signal)) {
      last = event;
      if (event.event === "queued") tell(`Waiting for the model: place ${event.place} in the line.`);
      if (event.event === "started") {
        this.id = event.id;
        this.headed({ ...this.record, ...event, status: "running" });
        tell("Reading the prompt …");
        this.hooks.changed();
      }
      if (event.event === "columns") {
        await this.grow(event);
        const made = this.texts.length - this.given;
        const rate = event.seconds > 0 && made > 1 ? `, ${(made / event.seconds).toFixed(1)} a second` : "";
        tell(`${made} ${made === 1 ? "token" : "tokens"}${rate}`);
      }
    }
    if (last?.event === "error") {
      this.node.dataset.status = "failed";
      throw Object.assign(new Error(last.asked), { parts: last });
    }
    if (last?.event !== "done") throw new Error("the stream of the run ended before its end");
    if (!last.id) return this.clear();
    return this.open(last.id);
  }

  async grow({ start, tokens, views, pieces }) {
    if (start === 0) this.given = tokens.filter(({ part }) => part === "prompt").length;
    this.put(tokens, start);
    this.page?.append(pieces);
    if (views.length && !this.page) await this.mounted(views);
    else for (const view of views) await this.page.set(view);
  }

  put(tokens, start) {
    while (this.tokens.childElementCount > start) this.tokens.lastChild.remove();
    this.texts.length = start;
    for (const [at, { text, part }] of tokens.entries()) {
      this.tokens.append(this.token(text, part, start + at));
      this.texts.push(text);
    }
  }

  /** A token of the text: a button where the model shows what it attended to. */
  token(text, part, at) {
    if (!this.hooks.has(this.record, "attention_from")) return make("span", shown(text), { class: part });
    const title = `token ${at}: what it attended to`;
    return make("button", shown(text), { type: "button", class: part, "data-at": at, title, "aria-pressed": "false" });
  }

  /** Show a run of the history; one that has just been shown live keeps its place. */
  async open(id) {
    const record = await ask(`/api/runs/${id}`);
    if (this.id !== id) {
      this.clear();
      this.id = id;
    }
    this.headed(record);
    if (!this.texts.length) {
      this.given = record.prompt_tokens;
      this.put(record.texts.map((text, at) => ({ text, part: at < record.prompt_tokens ? "prompt" : "answer" })), 0);
    }
    this.hooks.changed();
    for (const name of record.maps) {
      const view = await ask(`/api/runs/${id}/views/${name}`);
      if (this.id !== id) return;
      if (this.page) await this.page.set(view);
      else await this.mounted([view]);
    }
    this.viewed = id;
    this.node.dataset.shown = id;
    this.hooks.changed();
  }

  /** Show a map that is none of a run: a difference, or one of a folder of results. */
  async showMap(view, title, line) {
    this.clear();
    this.node.hidden = false;
    this.title.textContent = title;
    this.line.textContent = line;
    await this.mounted([view]);
  }

  /** Show maps; what is known of the pinned cell stands under what the page says of it. */
  async mounted(views) {
    this.page = await mount(this.maps, { maps: views });
    this.maps.querySelector("output").after(this.cell);
  }

  async pinned(detail) {
    const { layer, head, token } = detail?.labels ?? {};
    this.asked += 1;
    const turn = this.asked;
    const alignment = this.hooks.measures[detail?.map];
    const nothing = alignment === undefined || token === undefined || (alignment === "predicts" && token === 0);
    if (layer !== undefined && head !== undefined) this.cell.replaceChildren(this.ablating(layer, head));
    else if (layer === undefined || !this.id || nothing) this.cell.replaceChildren();
    if (head !== undefined || layer === undefined || !this.id || nothing) return;
    try {
      const found = await ask(`/api/runs/${this.id}/cell`, { layer, position: token, alignment });
      if (turn === this.asked) this.top(found, alignment, token);
    } catch (error) {
      this.hooks.trouble(error);
    }
  }

  top({ layer, position, tokens }, alignment, token) {
    const what = alignment === "predicts" ? `in place of ${quoted(this.texts[token])}` : `after ${quoted(this.texts[position])}`;
    const list = make("ol", "", { class: "top" });
    for (const { text, probability } of tokens) {
      const line = make("li");
      const bar = make("meter", "", { min: 0, max: 1, value: probability, "aria-label": "probability" });
      line.append(make("code", JSON.stringify(text)), bar, make("span", percent(probability)));
      list.append(line);
    }
    this.cell.replaceChildren(make("h3", `Layer ${layer} predicts ${what}`), list);
  }

  ablating(layer, head) {
    const button = make("button", `Ablate head ${head} of layer ${layer} in the next run`, { type: "button" });
    button.addEventListener("click", () => this.hooks.ablate(layer, head));
    return button;
  }

  /** What a token attended to, in each head of each layer. */
  async attention(at) {
    if (!this.id) return;
    this.asked += 1;
    const turn = this.asked;
    const { id } = this;
    this.tokens.querySelectorAll("[aria-pressed=true]").forEach((one) => one.setAttribute("aria-pressed", "false"));
    this.tokens.querySelector(`[data-at="${at}"]`).setAttribute("aria-pressed", "true");
    try {
      const view = await ask(`/api/runs/${id}/attention`, { position: at });
      if (turn !== this.asked || this.id !== id) return;
      const holder = make("div", "", { class: "attention" });
      const close = make("button", "Close", { type: "button" });
      this.seen?.destroy();
      const offer = make("p");
      const title = make("div", "", { class: "buttons" });
      title.append(make("h3", `What ${quoted(this.texts[at])} attended to, head by head`), close);
      this.look.replaceChildren(title, offer, holder);
      close.addEventListener("click", () => { this.seen?.destroy(); this.seen = null; this.look.replaceChildren(); });
      holder.addEventListener("pin", ({ detail }) => {
        const { layer, head } = detail?.labels ?? {};
        offer.replaceChildren(...(head === undefined ? [] : [this.ablating(layer, head)]));
      });
      this.seen = await mount(holder, { maps: [view] });
    } catch (error) {
      this.hooks.trouble(error);
    }
  }

  async save() {
    const { files } = await ask(`/api/runs/${this.id}/save`, { forms: ["nc", "html", "png"] });
    const links = files.map((name) => make("a", name.split("/").pop(), { href: `/files/${name.split("/").map(encodeURIComponent).join("/")}`, download: "" }));
    this.files.replaceChildren("Saved: ", ...links.flatMap((link) => [link, " "]));
  }
}
