// A figure and its requests: one at a time, always for the newest state. Where an answer takes
// its time, fewer points come first and all of them once the state has rested.

const SLOW = 200; // milliseconds
const REST = 350;

export async function get(path) {
  const reply = await fetch(path).catch(() => {
    throw new Error("no answer: has the command ended?");
  });
  const content = await reply.json();
  if (!reply.ok) throw new Error(content.error);
  return content;
}

export class Panel {
  constructor(name, draw) {
    this.name = name;
    this.section = document.getElementById(name);
    this.draw = draw;
    this.query = null; // the newest state, null once it is answered
    this.busy = false;
    this.slow = false;
    new ResizeObserver(() => this.redraw()).observe(this.section);
  }

  say(text) {
    this.section.querySelector(".note").textContent = text;
  }

  ask(query) {
    this.redraw(); // the mark of the state moves at once
    this.query = query;
    if (!this.busy) this.work();
  }

  async work() {
    this.busy = true;
    while (this.query !== null) {
      const query = this.query;
      this.section.setAttribute("aria-busy", "true");
      try {
        if (this.slow) {
          this.show(await get(`/api/${this.name}/coarse?${query}`));
          await new Promise((wake) => setTimeout(wake, REST));
          if (this.query !== query) continue;
        }
        const begun = performance.now();
        const answer = await get(`/api/${this.name}?${query}`);
        this.slow = performance.now() - begun > SLOW;
        this.show(answer);
      } catch (error) {
        this.say(error.message);
        this.section.classList.add("stale");
      }
      if (this.query === query) this.query = null;
    }
    this.section.removeAttribute("aria-busy");
    this.busy = false;
  }

  show(answer) {
    this.answer = answer;
    this.section.classList.remove("stale");
    this.say(answer.note ?? "");
    this.redraw();
  }

  redraw() {
    if (this.answer) this.draw(this.section, this.answer);
  }
}
