// The pen of a canvas: text that fits, and where cells lie.

export const FONT = "system-ui, 'Segoe UI', 'Noto Sans', 'Noto Sans CJK SC', sans-serif";
export const SIZE = 12; // pixels of a label

/** A canvas made ready: sharp on any screen, filled with the ground. */
export function prepared(canvas, width, height, theme) {
  const ratio = window.devicePixelRatio || 1;
  const size = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== size[0] || canvas.height !== size[1]) {
    [canvas.width, canvas.height] = size; // takes new memory
    canvas.style.height = `${height}px`;
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = theme.ground;
  pen.fillRect(0, 0, width + 1, height + 1); // the last row of pixels may be a part of one
  pen.font = `${SIZE}px ${FONT}`;
  pen.lineWidth = 1;
  return pen;
}

const widths = new Map(); // of texts that were measured

/** How wide a label is. */
export function widthOf(pen, text) {
  if (!widths.has(text)) {
    if (widths.size > 50000) widths.clear();
    widths.set(text, pen.measureText(text).width);
  }
  return widths.get(text);
}

/** A text, cut to `room` pixels. */
export function write(pen, text, x, y, { fill, align = "left", turn = 0, room = 1e6 }) {
  let shown = text.replaceAll("\n", " ");
  if (room < 1e6 && widthOf(pen, shown) > room) {
    const signs = Array.from(shown).slice(0, 400);
    while (signs.length && pen.measureText(`${signs.join("")}…`).width > room) signs.pop();
    shown = `${signs.join("")}…`;
  }
  pen.save();
  pen.translate(x, y);
  pen.rotate(turn);
  pen.fillStyle = fill;
  pen.textAlign = align;
  pen.textBaseline = "middle";
  pen.fillText(shown, 0, 0);
  pen.restore();
}

/** 1, 2, 5, 10, 20 …: the first that is at least as large. */
export function roundStep(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  return [1, 2, 5, 10].map((lead) => lead * power).find((step) => step >= least - 1e-9);
}

/** The rectangle of a block of cells of a panel. */
export function rectOf(map, box, seen, rows, columns) {
  const each = box.w / (seen[1] - seen[0]);
  const tall = box.h / map.rows.length;
  const top = map.upwards ? map.rows.length - 1 - rows[1] : rows[0];
  const [left, right] = [columns[0], columns[1] + 1].map((at) => map.edges?.[at] ?? at);
  const x = box.x + (left - seen[0]) * each;
  return [x, box.y + top * tall, (right - left) * each, (rows[1] - rows[0] + 1) * tall];
}

/** Black or white, whichever has more contrast (WCAG) with a colour as an image holds it. */
export function inkOn(word) {
  const [red, green, blue] = [word & 255, word >> 8 & 255, word >> 16 & 255].map((part) => (
    part <= 10 ? part / 3294 : ((part / 255 + 0.055) / 1.055) ** 2.4
  ));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
}
