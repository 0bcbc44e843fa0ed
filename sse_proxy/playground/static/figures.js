// The live figures of the process.
import { ask, every, HERE } from "./api.js";
import { element } from "./view.js";

const EVERY_MS = 1000;

// A bucket of the metrics, in seconds: more is not known.
const bucket = (bounds) => (bounds ? (bounds[1] === null ? `over ${bounds[0]} s` : `${bounds[0]}–${bounds[1]} s`) : "–");
const counts = (object) => Object.entries(object ?? {}).map(([name, count]) => `${name.replaceAll("_", " ")} ${count}`).join(", ") || "–";
const sum = (object) => Object.values(object ?? {}).reduce((all, count) => all + count, 0);

const ROWS = [
  ["Open now", (totals) => String(totals.active ?? "–")],
  ["Streams ended", (totals) => String(sum(totals.outcomes))],
  ["First event, median", (totals) => bucket(totals.ttft_p50_seconds)],
  ["First event, 95 %", (totals) => bucket(totals.ttft_p95_seconds)],
  ["Events", (totals) => String(totals.events ?? "–")],
  ["Heartbeats", (totals) => String(totals.heartbeats ?? "–")],
  ["Ended as", (totals) => counts(totals.outcomes)],
  ["Repairs", (totals) => counts(totals.repairs)],
];

export class Figures {
  #cells = [];
  #told;
  #requestId = "";

  // `told(facts)`: {open, ended} of the page's newest stream through the proxy, whenever there is news.
  constructor(list, told) {
    this.#told = told;
    for (const [label] of ROWS) {
      const cell = element("dd", { textContent: "–" });
      this.#cells.push(cell);
      list.append(element("div", {}, element("dt", { textContent: label }), cell));
    }
  }

  start() {
    this.#refresh = every(EVERY_MS, () => this.#look());
  }

  #refresh = () => {};

  // From now on also look for this request.
  follow(requestId) {
    this.#requestId = requestId;
    this.#refresh();
  }

  async #look() {
    const asked = this.#requestId;
    try {
      const { totals, ...facts } = await ask(`${HERE}/figures?id=${encodeURIComponent(asked)}`);
      ROWS.forEach(([, value], row) => {
        const text = value(totals);
        if (this.#cells[row].textContent !== text) this.#cells[row].textContent = text;
      });
      if (asked && asked === this.#requestId) this.#told(facts);
    } catch {
      this.#cells[0].textContent = "not reached";
    }
  }
}
