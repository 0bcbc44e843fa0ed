// What the upstream saw of the page's requests. Only the demo's mock tells; a real server has no such thing.
import { ask, ROOT } from "./api.js";
import { bytesText } from "./view.js";

const EVERY_MS = 700;
// After a run the upstream gets a while to notice; then the page stops asking.
const TRIES_AFTER = 12;

// Of what the upstream writes between two looks: so much more than is read may be in its own next write.
const SLACK_BYTES = 131_072;

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

const ENDS = {
  completed: (told) => `The upstream sent all of its ${told.events_sent} events`,
  disconnected: (told) => `The upstream noticed that its client had left, after ${told.events_sent} events`,
  died: (told) => `The upstream died after ${told.events_sent} events, as it was told`,
};

export class Upstream {
  // `stats`: the path that tells; null: nobody does. `told(lane, text)`: what to show below a lane.
  constructor(stats, told) {
    this.stats = stats;
    this.told = told;
    this.turn = 0;
  }

  // Looks at both lanes' requests until both are over, or another run begins.
  async watch(lanes) {
    if (!this.stats) return;
    const turn = (this.turn += 1);
    const before = lanes.map(() => ({ written: -Infinity, read: 0 }));
    let tries = 0;
    while (turn === this.turn && tries < TRIES_AFTER) {
      await pause(EVERY_MS);
      if (document.hidden) continue;
      const told = await this.#ask(lanes);
      if (turn !== this.turn) return;
      const states = lanes.map((lane, at) => this.#show(told[lane.requestId], lane, at, before));
      if (!lanes.some((lane) => lane.running)) tries = states.includes("running") ? tries + 1 : TRIES_AFTER;
    }
  }

  // What is known of each request by its name; nothing yet of one that has not arrived.
  async #ask(lanes) {
    try {
      return await ask(`${ROOT}${this.stats}?ids=${lanes.map((lane) => lane.requestId).join(",")}`);
    } catch {
      return {};
    }
  }

  #show(told, lane, at, before) {
    if (!told) return "unknown";
    this.told(at, this.#text(told, lane, before[at]));
    before[at] = { written: told.bytes_sent, read: lane.bytes };
    return told.state;
  }

  #text(told, lane, before) {
    if (told.state === "running" && lane.request?.slow) {
      // With back-pressure no more is written than is read, but for what is on its way.
      const isHeld = told.bytes_sent - before.written <= 2 * (lane.bytes - before.read) + SLACK_BYTES;
      const waits = isHeld && told.bytes_sent > 4 * lane.bytes ? "; it waits now, since nobody takes more" : "";
      return `The upstream has written ${bytesText(told.bytes_sent)}, this client has read ${bytesText(lane.bytes)}${waits}.`;
    }
    if (told.state === "running") return lane.running ? "" : "The upstream is still generating.";
    const asked = lane.resumed === null ? "" : ` It generated ${told.requests === 1 ? "once" : `${told.requests} times`}.`;
    return `${ENDS[told.state](told)}.${asked}`;
  }
}
