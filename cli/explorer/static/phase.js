// The phase diagram: cells in colour, boundaries in black on white, the state as a ring.

import { drawAxes, frame, pointer, scale, short, svg, text, ticks } from "./axes.js";

// legible to every kind of colour vision; the middle of the first is where nothing changes
const DIVERGING = ["#08519c", "#6baed6", "#f0f0f0", "#fd9a4e", "#a63603"];
const SEQUENTIAL = ["#00224e", "#434e6c", "#7d7c78", "#bcae6c", "#fee838"];

const BOUNDARIES = {
  em_one: ["solid", "EM = 1"],
  collapse: ["dashed", "collapse"],
  head: ["dotted", "head helps = hurts"],
};

export function drawPhase(section, answer, page, values, set) {
  const place = section.querySelector(".figure");
  const reading = section.querySelector(".reading");
  if (!answer.cells) {
    place.replaceChildren();
    reading.textContent = "";
    return;
  }
  const [a, b] = [answer.x, answer.y].map((n) => page.parameters.find((p) => p.name === n));
  const { root, box } = frame(place, 74);
  const x = scale(a.low, a.high, a.log, box.left, box.right);
  const y = scale(b.low, b.high, b.log, box.bottom, box.top);
  const tone = colours(answer);
  drawCells(root, box, answer, x, y, tone);
  drawBoundaries(root, answer, x, y);
  drawAxes(root, box, x, y, `${a.meaning}  ${a.symbol}`, `${b.name}  ${b.symbol}`);
  drawBar(root, box, tone);
  drawState(root, x, y, values[answer.x], values[answer.y]);
  root.setAttribute("role", "img");
  const title = page.quantities.find((q) => q.name === answer.quantity).meaning;
  root.setAttribute("aria-label", `${title} over ${a.meaning} and ${b.meaning}`);
  const say = (u, v) => (reading.textContent = describe(answer, a, b, u, v, title));
  say(values[answer.x], values[answer.y]);
  const there = (event) => {
    const [px, py] = pointer(root, event);
    const inside = px >= box.left && px <= box.right && py >= box.top && py <= box.bottom;
    return inside ? [x.invert(px), y.invert(py)] : null;
  };
  root.onpointermove = (event) => there(event) && say(...there(event));
  root.onpointerleave = () => say(values[answer.x], values[answer.y]);
  root.onclick = (event) => {
    const at = there(event);
    if (at) set({ [answer.x]: at[0], [answer.y]: at[1] });
  };
  place.replaceChildren(root);
}

// value -> colour, with its scale: even in log EM about 1, even about 0, or from least to most
function colours({ cells, quantity }) {
  const known = cells.flat().filter((value) => value !== null);
  const log = quantity === "expansion-measure";
  const middle = { "expansion-measure": 1, "accuracy-gained": 0 }[quantity];
  const far = (value) => Math.abs(log ? Math.log(value) : value);
  let [low, high] = [Math.min(...known, 1), Math.max(...known, 0)];
  if (middle !== undefined) {
    const reach = Math.max(...known.map(far), log ? 0.1 : 1e-4);
    [low, high] = log ? [Math.exp(-reach), Math.exp(reach)] : [-reach, reach];
  }
  const at = scale(low, high > low ? high : low + 1e-9, log, 0, 1);
  const stops = middle === undefined ? SEQUENTIAL : DIVERGING;
  return Object.assign((value) => mix(stops, at(value)), { at });
}

function mix(stops, fraction) {
  const place = Math.min(Math.max(fraction, 0), 1) * (stops.length - 1);
  const k = Math.min(Math.floor(place), stops.length - 2);
  const [from, to] = [stops[k], stops[k + 1]].map((hex) => parseInt(hex.slice(1), 16));
  const part = (shift) => {
    const [u, v] = [(from >> shift) & 255, (to >> shift) & 255];
    return Math.round(u + (v - u) * (place - k));
  };
  return `rgb(${part(16)},${part(8)},${part(0)})`;
}

// a cell reaches half way to its neighbours, and to the edge of the figure
function edges(values, place) {
  const at = values.map(place);
  const inner = at.slice(1).map((value, k) => (value + at[k]) / 2);
  return [at[0], ...inner, at.at(-1)];
}

function drawCells(root, box, answer, x, y, tone) {
  const [ex, ey] = [edges(answer.x_values, x), edges(answer.y_values, y)];
  const group = svg("g", { "shape-rendering": "crispEdges" });
  const { left, top, right, bottom } = box;
  group.append(svg("rect", { x: left, y: top, width: right - left, height: bottom - top, class: "failed" }));
  answer.cells.forEach((row, j) =>
    row.forEach((value, i) => {
      if (value === null) return; // no value: the ground shows through
      group.append(
        svg("rect", {
          x: ex[i],
          y: ey[j + 1],
          width: ex[i + 1] - ex[i],
          height: ey[j] - ey[j + 1],
          fill: tone(value),
        }),
      );
    }),
  );
  root.append(group);
}

function drawBoundaries(root, answer, x, y) {
  const named = new Set();
  for (const { name, x: u, y: v } of answer.boundaries) {
    const d = "M" + u.map((value, k) => `${x(value).toFixed(1)},${y(v[k]).toFixed(1)}`).join("L");
    const [dash, label] = BOUNDARIES[name];
    root.append(svg("path", { d, class: "under" }), svg("path", { d, class: `boundary ${dash}` }));
    if (named.has(name) || u.length < 2) continue;
    named.add(name);
    const k = Math.floor(0.3 * u.length);
    root.append(text(x(u[k]) + 7, y(v[k]) - 6, label, "start", "boundary-name"));
  }
}

function drawBar(root, box, tone) {
  const [left, count] = [box.right + 14, 40];
  const bar = scale(tone.at.low, tone.at.high, tone.at.log, box.bottom, box.top);
  for (let k = 0; k < count; k++) {
    const [from, to] = [k, k + 1].map((n) => box.bottom + ((box.top - box.bottom) * n) / count);
    const fill = tone(bar.invert((from + to) / 2));
    root.append(svg("rect", { x: left, y: to, width: 12, height: from - to + 0.5, fill }));
  }
  const group = svg("g", { class: "axes" });
  for (const value of ticks(bar, 5)) {
    group.append(svg("path", { d: `M${left + 12},${bar(value)}h4` }));
    group.append(text(left + 18, bar(value) + 4, short(value, 2)));
  }
  root.append(group);
}

function drawState(root, x, y, u, v) {
  const [cx, cy] = [x(u), y(v)];
  if (!Number.isFinite(cx + cy)) return;
  for (const kind of ["under", "boundary"]) root.append(svg("circle", { cx, cy, r: 5.5, class: kind }));
}

function describe(answer, a, b, u, v, title) {
  const near = (values, value, log) => {
    const away = values.map((w) => Math.abs(log ? Math.log(w / value) : w - value));
    return away.indexOf(Math.min(...away));
  };
  const [i, j] = [near(answer.x_values, u, a.log), near(answer.y_values, v, b.log)];
  const cell = (name) => answer[name][j][i];
  const at = `${a.symbol} = ${short(answer.x_values[i], 3)}, ${b.symbol} = ${short(answer.y_values[j], 3)}: `;
  if (cell("cells") === null) return `${at}${cell("status")}`;
  const gain = cell("gain") === null ? "" : `, gain ${short(cell("gain"))}`;
  const measure = answer.quantity === "expansion-measure" ? "" : `, EM ${short(cell("expansion_measure"))}`;
  return `${at}${cell("regime")}, ${title} ${short(cell("cells"))}${measure}${gain}${answer.loss ? ` (${answer.loss})` : ""}`;
}
