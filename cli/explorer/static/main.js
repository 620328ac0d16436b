// The page: controls hold the state, the server answers, two figures show the answers.

import { Controls } from "./controls.js";
import { drawCurve } from "./curve.js";
import { Panel, get } from "./panel.js";
import { drawPhase } from "./phase.js";

const element = (id) => document.getElementById(id);

async function start() {
  const page = await get("/api/start" + location.search);
  const controls = new Controls(page);
  const set = (values) => controls.set(values);
  const curve = new Panel("curve", (place, answer) => {
    controls.enable(answer.live);
    drawCurve(place, answer, page, controls.values(), set);
  });
  const phase = new Panel("phase", (place, answer) => {
    drawPhase(place, answer, page, controls.values(), set);
  });
  controls.onchange = () => {
    element("banner").textContent = "";
    const query = controls.query();
    history.replaceState(null, "", "?" + query);
    for (const panel of [curve, phase]) panel.ask(query);
  };
  controls.onchange();
  element("banner").textContent = page.error ?? "";
  element("copy-link").onclick = (event) => copy(event.target, location.href);
  element("show-code").onclick = () => showCode(controls.query());
  for (const button of document.querySelectorAll("[data-copies]"))
    button.onclick = () => copy(button, element(button.dataset.copies).textContent);
}

async function showCode(query) {
  for (const name of ["command", "python"]) element(name).textContent = "";
  element("code").showModal();
  try {
    const code = await get("/api/code?" + query);
    for (const name of ["command", "python"]) element(name).textContent = code[name];
  } catch (error) {
    element("command").textContent = error.message;
  }
}

async function copy(button, text) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed here";
  }
  setTimeout(() => (button.textContent = label), 1200);
}

start().catch((error) => (element("banner").textContent = error.message));
