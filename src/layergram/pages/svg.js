// A pen that writes SVG: what is painted on the canvas, as a drawing for a paper.

import { FONT, SIZE } from "./pen.js";

const NAMESPACE = "http://www.w3.org/2000/svg";
const ANCHORS = { left: "start", center: "middle", right: "end" };
const short = (number) => String(Number(number.toFixed(2)));

/** The part of a canvas's pen that the page uses. */
export class SvgPen {
  constructor(width, height, measuring) {
    this.root = document.createElementNS(NAMESPACE, "svg");
    const attributes = { xmlns: NAMESPACE, width, height, viewBox: `0 0 ${short(width)} ${short(height)}`, "font-family": FONT, "font-size": SIZE };
    for (const [key, value] of Object.entries(attributes)) this.root.setAttribute(key, value);
    this.groups = [this.root];
    this.measuring = measuring;
    this.clips = 0;
    this.dash = [];
    this.lineWidth = 1;
    this.globalAlpha = 1;
    this.path = "";
  }

  get group() { return this.groups[this.groups.length - 1]; }

  put(name, attributes, text = "") {
    const node = document.createElementNS(NAMESPACE, name);
    for (const [key, value] of Object.entries(attributes)) {
      node.setAttribute(key, typeof value === "number" ? short(value) : value);
    }
    node.textContent = text;
    this.group.append(node);
    return node;
  }

  stroked() {
    const dash = this.dash.length ? { "stroke-dasharray": this.dash.join(" ") } : {};
    return { fill: "none", stroke: this.strokeStyle, "stroke-width": this.lineWidth, ...dash };
  }

  measureText(text) { return this.measuring.measureText(text); }

  setLineDash(dash) { this.dash = dash; }

  save() { this.groups.push(this.put("g", {})); }

  restore() { this.groups.pop(); }

  translate(x, y) { this.turned(`translate(${short(x)} ${short(y)})`); }

  rotate(angle) { if (angle) this.turned(`rotate(${short(angle * 180 / Math.PI)})`); }

  turned(step) { this.group.setAttribute("transform", `${this.group.getAttribute("transform") ?? ""} ${step}`.trim()); }

  beginPath() { this.path = ""; }

  moveTo(x, y) { this.path += `M${short(x)} ${short(y)}`; }

  lineTo(x, y) { this.path += `L${short(x)} ${short(y)}`; }

  rect(x, y, w, h) { this.path += `M${short(x)} ${short(y)}h${short(w)}v${short(h)}h${short(-w)}z`; }

  /** A whole circle: the page draws no other arcs. */
  arc(x, y, r) {
    const [d, s] = [short(2 * r), short(r)];
    this.path += `M${short(x - r)} ${short(y)}a${s} ${s} 0 1 0 ${d} 0a${s} ${s} 0 1 0 -${d} 0`;
  }

  stroke() { this.put("path", { d: this.path, ...this.stroked() }); }

  fill() {
    const faint = this.globalAlpha < 1 ? { "fill-opacity": this.globalAlpha } : {};
    this.put("path", { d: this.path, fill: this.fillStyle, ...faint });
  }

  clip() {
    this.clips += 1;
    const clip = this.put("clipPath", { id: `clip${this.clips}` });
    this.groups.push(clip);
    this.put("path", { d: this.path });
    this.groups.pop();
    this.group.setAttribute("clip-path", `url(#clip${this.clips})`);
  }

  fillRect(x, y, width, height) { this.put("rect", { x, y, width, height, fill: this.fillStyle }); }

  strokeRect(x, y, width, height) { this.put("rect", { x, y, width, height, ...this.stroked() }); }

  fillText(text, x, y) {
    const centre = { "dominant-baseline": "central", "text-anchor": ANCHORS[this.textAlign] };
    this.put("text", { x, y, fill: this.fillStyle, ...centre }, text);
  }

  /** Cells stay a picture of a pixel each. */
  drawImage(source, fromX, fromY, w, h, x, y, width, height) {
    const cells = document.createElement("canvas");
    [cells.width, cells.height] = [w, h];
    cells.getContext("2d").drawImage(source, fromX, fromY, w, h, 0, 0, w, h);
    const look = { preserveAspectRatio: "none", "image-rendering": "pixelated" };
    this.put("image", { x, y, width, height, ...look, href: cells.toDataURL() });
  }

  text() { return new XMLSerializer().serializeToString(this.root); }
}
