// The controls, built from the server's vocabulary. Number fields hold the state; each slider
// follows its field, in as many steps as a finger can tell apart.

import { swatch } from "./axes.js";

const STEPS = 400;

const element = (id) => document.getElementById(id);

const make = (tag, properties, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

export class Controls {
  constructor(page) {
    this.parameters = new Map(page.parameters.map((entry) => [entry.name, entry]));
    this.onchange = () => {};
    this.fill("objective", page.objectives);
    this.fill("quantity", page.quantities.map((q) => ({ ...q, text: q.meaning })));
    this.fill("x", page.parameters.map((p) => ({ ...p, text: `${p.symbol}, ${p.name}` })));
    this.addLosses(page.losses);
    for (const entry of page.parameters) this.addSlider(entry);
    this.read(new URLSearchParams(page.state));
    const form = element("controls");
    form.onsubmit = (event) => event.preventDefault();
    for (const part of [form, ...document.querySelectorAll(".bar")])
      part.addEventListener("input", (event) => this.changed(event.target));
  }

  fill(id, entries) {
    for (const { name, meaning, text } of entries)
      element(id).append(make("option", { value: name, title: meaning }, text ?? name));
  }

  addLosses(losses) {
    losses.forEach(({ name, meaning }, index) => {
      const box = make("input", { type: "checkbox", value: name });
      const label = { className: "check", title: meaning };
      element("losses").append(make("label", label, box, swatch(`line${index}`), name));
    });
  }

  addSlider({ name, symbol, meaning }) {
    const id = `value-${name}`;
    const label = make("label", { htmlFor: id, title: meaning }, make("i", {}, symbol), ` ${name}`);
    const range = { type: "range", min: 0, max: STEPS, id: `slider-${name}`, title: meaning };
    const slider = make("input", range);
    slider.setAttribute("aria-label", meaning);
    const field = make("input", { type: "number", step: "any", id });
    const row = make("div", { className: "slider", id: `row-${name}` }, label, field, slider);
    element("sliders").append(row);
  }

  changed(target) {
    const name = target.id.replace(/^slider-/, "");
    if (name !== target.id) {
      element(`value-${name}`).value = this.place(name, target.value / STEPS);
    }
    if (target.id === "x") {
      const { low, high } = this.parameters.get(target.value);
      element("from").value = low;
      element("to").value = high;
    }
    this.follow();
    this.onchange();
  }

  // the value at a fraction of a slider, to three digits
  place(name, fraction) {
    const { low, high, log } = this.parameters.get(name);
    const value = log ? low * (high / low) ** fraction : low + (high - low) * fraction;
    return Number(value.toPrecision(3));
  }

  // every slider where its field says
  follow() {
    for (const [name, { low, high, log, symbol }] of this.parameters) {
      const value = element(`value-${name}`).valueAsNumber;
      const [a, b, v] = log ? [low, high, value].map(Math.log) : [low, high, value];
      const slider = element(`slider-${name}`);
      slider.value = Math.round((STEPS * (v - a)) / (b - a));
      slider.setAttribute("aria-valuetext", `${symbol} = ${value}`);
    }
  }

  // values by name, from a click in a figure
  set(values) {
    for (const [name, value] of Object.entries(values))
      element(`value-${name}`).value = Number(value.toPrecision(4));
    this.follow();
    this.onchange();
  }

  // the numbers that the fields hold
  values() {
    const names = [...this.parameters.keys()];
    return Object.fromEntries(names.map((name) => [name, element(`value-${name}`).valueAsNumber]));
  }

  read(state) {
    for (const id of ["objective", "x", "from", "to", "quantity"])
      element(id).value = state.get(id);
    element("intercept").checked = state.get("intercept") === "1";
    const losses = state.get("loss").split(",");
    for (const box of element("losses").querySelectorAll("input"))
      box.checked = losses.includes(box.value);
    for (const name of this.parameters.keys()) element(`value-${name}`).value = state.get(name);
    this.follow();
  }

  query() {
    const losses = [...element("losses").querySelectorAll("input:checked")].map((b) => b.value);
    const state = new URLSearchParams({
      loss: losses.join(","),
      objective: element("objective").value,
      intercept: Number(element("intercept").checked),
    });
    for (const name of this.parameters.keys()) state.set(name, element(`value-${name}`).value);
    for (const id of ["x", "from", "to", "quantity"]) state.set(id, element(id).value);
    return state.toString().replaceAll("%2C", ",");
  }

  // dims what moves nothing now
  enable(live) {
    for (const name of this.parameters.keys()) {
      const row = element(`row-${name}`);
      row.classList.toggle("idle", !live.includes(name));
      for (const input of row.querySelectorAll("input")) input.disabled = !live.includes(name);
      element("x").querySelector(`[value="${name}"]`).disabled = !live.includes(name);
    }
  }
}
