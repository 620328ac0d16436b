// Accuracy against one parameter: a line for each loss, after the head and (thin) before it.
// A point without a limit is a gap, with a cross at the foot in its colour, and a line of text.

import { drawAxes, frame, niceStep, pointer, scale, short, svg, swatch, text } from "./axes.js";

export function drawCurve(section, answer, page, values, set) {
  const place = section.querySelector(".figure");
  const lines = answer.lines.filter((line) => !line.error);
  const axis = page.parameters.find((entry) => entry.name === answer.x);
  const styles = new Map(page.losses.map((loss, index) => [loss.name, `line${index}`]));
  const { root, box } = frame(place, 14);
  const grid = lines.find((line) => line.x)?.x ?? [axis.low, axis.high];
  const x = scale(grid[0], grid.at(-1), axis.log, box.left, box.right);
  const y = accuracyScale(lines, box);
  drawAxes(root, box, x, y, `${axis.meaning}  ${axis.symbol}`, "limiting test accuracy");
  drawThresholds(root, box, x, lines, answer.x);
  let foot = box.bottom + 1; // of the crosses, a row for each line that needs one
  for (const line of lines) {
    const at = line.x ?? grid;
    for (const [column, width] of [["accuracy_before", "thin"], ["accuracy", ""]])
      if (line[column]) {
        const d = path(at, level(line, column, at), x, y);
        root.append(svg("path", { d, class: `curve ${styles.get(line.loss)} ${width}` }));
      }
    const status = level(line, "status", at);
    if (status.some((entry) => entry !== "converged")) foot -= 7;
    at.forEach((value, k) => {
      const d = `M${x(value) - 2},${foot - 2}l4,4m0,-4l-4,4`;
      if (status[k] !== "converged")
        root.append(svg("path", { d, class: `missing ${styles.get(line.loss)}` }));
    });
  }
  root.append(svg("g", { class: "reading" }));
  root.setAttribute("role", "img");
  root.setAttribute("aria-label", `accuracy against ${axis.meaning}, ${lines.length} lines`);
  const here = { section, root, box, x, y, grid, lines, styles, axis };
  read(here, values[answer.x]);
  root.onpointermove = (event) => read(here, x.invert(pointer(root, event)[0]));
  root.onpointerleave = () => read(here, values[answer.x]);
  root.onclick = (event) => set({ [answer.x]: grid[nearest(grid, x.invert(pointer(root, event)[0]))] });
  place.replaceChildren(root);
  const note = section.querySelector(".note");
  note.textContent = [answer.note, ...answer.lines.map(explain)].filter(Boolean).join("\n");
  if (!answer.lines.length && !answer.note) note.textContent = "choose a loss";
}

// a level line of one point as long as the axis
const level = (line, column, grid) => (line.x ? line[column] : grid.map(() => line[column][0]));

// the range of all lines, out to round numbers
function accuracyScale(lines, box) {
  const all = lines.flatMap((line) => [...line.accuracy, ...(line.accuracy_before ?? [])]);
  const known = all.filter((value) => value !== null);
  if (!known.length) return scale(0.5, 1, false, box.bottom, box.top);
  const [least, most] = [Math.min(...known), Math.max(...known)];
  const step = niceStep(Math.max(most - least, 1e-3) / 5);
  const low = Math.floor(least / step) * step;
  return scale(low, Math.max(Math.ceil(most / step), low / step + 1) * step, false, box.bottom, box.top);
}

function path(at, values, x, y) {
  let pen = "M";
  let d = "";
  values.forEach((value, k) => {
    if (value !== null) d += `${pen}${x(at[k]).toFixed(2)},${y(value).toFixed(2)}`;
    pen = value === null ? "M" : "L";
  });
  return d;
}

function drawThresholds(root, box, x, lines, name) {
  if (name !== "sampling-ratio") return;
  for (const value of new Set(lines.flatMap(thresholds))) {
    if (value <= x.low || value >= x.high) continue;
    root.append(svg("path", { class: "threshold", d: `M${x(value)},${box.top}V${box.bottom}` }));
    root.append(text(x(value) - 4, box.top + 8, short(value), "end", "threshold"));
  }
}

const thresholds = (line) =>
  (line.threshold ?? []).filter((value) => value !== null).map((value) => Number(value.toPrecision(8)));

function explain(line) {
  if (line.error) return `${line.loss}: ${line.error}`;
  const kinds = [...new Set(line.status)].filter((status) => status !== "converged");
  return kinds
    .map((kind) => {
      const count = line.status.filter((status) => status === kind).length;
      const where = [...new Set(thresholds(line))];
      const reason = where.length === 1 && kind === "no limit" ? ` (threshold n/p = ${where[0]})` : "";
      return `${line.loss}: ${kind} at ${count} of ${line.status.length} points${reason}`;
    })
    .join("\n");
}

function nearest(grid, value) {
  const away = grid.map((entry) => Math.abs(entry - value));
  return away.indexOf(Math.min(...away));
}

// a mark at the grid's point nearest to `value`, and every line's number there in the legend
function read({ section, root, box, x, y, grid, lines, styles, axis }, value) {
  const k = nearest(grid, value);
  const mark = svg("g", { class: "reading" });
  mark.append(svg("path", { d: `M${x(grid[k])},${box.top}V${box.bottom}` }));
  const legend = lines.map((line) => {
    const [after, before] = ["accuracy", "accuracy_before"].map(
      (column) => line[column] && level(line, column, grid)[k],
    );
    if (after !== null)
      mark.append(svg("circle", { cx: x(grid[k]), cy: y(after), r: 3.5, class: styles.get(line.loss) }));
    const item = document.createElement("li");
    const digits = (v) => (v === null ? level(line, "status", grid)[k] : v.toFixed(6));
    const number = Object.assign(document.createElement("b"), { textContent: digits(after) });
    item.append(swatch(styles.get(line.loss)), line.loss, number);
    if (before !== undefined && after !== null) item.append(digits(before));
    return item;
  });
  const title = document.createElement("li");
  const both = lines.some((line) => line.accuracy_before) ? ": after the head, and (thin) before it" : "";
  title.textContent = `at ${axis.symbol} = ${short(grid[k])}${both}`;
  section.querySelector(".legend").replaceChildren(...(lines.length ? [title] : []), ...legend);
  root.querySelector("g.reading").replaceWith(mark);
}
