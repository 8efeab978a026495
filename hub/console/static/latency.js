// How long the last presses took, as bars and in words.

const KEPT = 24;
const WIDTH = 240;
const HEIGHT = 48;
const SVG = "http://www.w3.org/2000/svg";

export class Presses {
  #chart;
  #note;
  #delays = [];

  constructor(chart, note) {
    this.#chart = chart;
    this.#note = note;
  }

  // `delay` is in milliseconds, from the press until the slower screen had changed.
  add(delay) {
    this.#delays = [...this.#delays, delay].slice(-KEPT);
    this.#draw();
  }

  #draw() {
    const longest = Math.max(...this.#delays);
    const step = WIDTH / KEPT;
    const bars = this.#delays.map((delay, index) => {
      const height = Math.max(2, delay / longest * (HEIGHT - 2));
      const kind = index === this.#delays.length - 1 ? "last" : "";
      return shape("rect", { x: index * step, y: HEIGHT - height, width: step * 0.45, height, class: kind });
    });
    const floor = shape("line", { x1: 0, x2: WIDTH, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5 });
    this.#chart.replaceChildren(floor, ...bars);
    const words = this.#words(longest);
    this.#note.textContent = words;
    this.#chart.setAttribute("aria-label", words);
  }

  #words(longest) {
    if (this.#delays.length === 1) return `One press: ${whole(longest)} ms until both screens had changed.`;
    const sorted = [...this.#delays].sort((a, b) => a - b);
    const median = sorted[Math.floor((sorted.length - 1) / 2)];
    return `${this.#delays.length} presses: half within ${whole(median)} ms, the slowest ${whole(longest)} ms.`;
  }
}

// A delay to the millisecond, never "0".
export function whole(delay) {
  return delay < 1 ? "<1" : String(Math.round(delay));
}

function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
