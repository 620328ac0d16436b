// Scales, ticks and the frame of a figure, as SVG.

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export const short = (value, digits = 4) => String(Number(value.toPrecision(digits)));

// value -> pixel, with `low`, `high`, `log`, and `invert` back
export function scale(low, high, log, from, to) {
  const t = log ? Math.log : (v) => v;
  const back = log ? Math.exp : (v) => v;
  const place = (value) => from + ((to - from) * (t(value) - t(low))) / (t(high) - t(low));
  place.invert = (pixel) => back(t(low) + ((pixel - from) / (to - from)) * (t(high) - t(low)));
  return Object.assign(place, { low, high, log, from, to });
}

// round numbers inside the scale, some `count` of them
export function ticks({ low, high, log }, count = 6) {
  if (log && high / low > 20) {
    const many = 3 * Math.log10(high / low) > 1.5 * count ? [1] : [1, 2, 5];
    const decades = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++) decades.push(e);
    const all = decades.flatMap((e) => many.map((m) => Number(`${m}e${e}`)));
    return all.filter((v) => v >= low * (1 - 1e-9) && v <= high * (1 + 1e-9));
  }
  const step = niceStep((high - low) / count);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, k) => Number(((first + k) * step).toPrecision(12)));
}

export function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * [1, 2, 5, 10].find((m) => m * power >= least * (1 - 1e-9));
}

// the size of a figure that fills its place
export function frame(place, right) {
  const width = Math.max(260, place.clientWidth);
  const height = Math.min(340, Math.max(220, 0.55 * width));
  const box = { left: 58, right: width - right, top: 12, bottom: height - 44 };
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height });
  return { root, box };
}

export function drawAxes(root, box, x, y, xLabel, yLabel) {
  const group = svg("g", { class: "axes" });
  for (const value of ticks(x, (box.right - box.left) / 70)) {
    const at = x(value);
    group.append(svg("path", { d: `M${at},${box.bottom}v5` }));
    group.append(text(at, box.bottom + 17, short(value), "middle"));
  }
  for (const value of ticks(y, 6)) {
    const at = y(value);
    group.append(svg("path", { d: `M${box.left},${at}h-5` }));
    group.append(text(box.left - 8, at + 4, short(value), "end"));
  }
  group.append(svg("path", { d: `M${box.left},${box.top}V${box.bottom}H${box.right}` }));
  group.append(text((box.left + box.right) / 2, box.bottom + 37, xLabel, "middle", "label"));
  const title = text(0, 0, yLabel, "middle", "label");
  title.setAttribute("transform", `translate(13,${(box.top + box.bottom) / 2}) rotate(-90)`);
  group.append(title);
  root.append(group);
}

export function text(x, y, content, anchor = "start", kind = "") {
  return svg("text", { x, y, "text-anchor": anchor, class: kind }, content);
}

// the pointer's place in the figure's own pixels
export function pointer(root, event) {
  const box = root.getBoundingClientRect();
  const unit = root.viewBox.baseVal.width / box.width;
  return [(event.clientX - box.left) * unit, (event.clientY - box.top) * unit];
}

// a piece of a line, for a legend
export function swatch(kind) {
  return svg("svg", { class: "swatch", width: 24, height: 8 }, svg("path", { d: "M0,4h24", class: `curve ${kind}` }));
}
