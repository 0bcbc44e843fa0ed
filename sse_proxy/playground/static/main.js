// The page: switches in, two lanes out.
import { ask, every, hasToken, HERE, useToken } from "./api.js";
import { Code } from "./code.js";
import { Figures } from "./figures.js";
import { Form, HOP_TEXTS } from "./form.js";
import { Lane } from "./lane.js";
import { fillLegend, MARKS } from "./marks.js";
import { Timeline } from "./timeline.js";
import { Upstream } from "./upstream.js";
import { element, LaneView } from "./view.js";

const byId = (id) => document.getElementById(id);
// Rows of the table; the newest, since a long stream would make a page of thousands.
const MOST_ROWS = 300;

// Into the one live region. The same once more would be read once more.
function say(text) {
  if (byId("status").textContent !== text) byId("status").textContent = text;
}

class Page {
  #began = 0;
  #ended = 0;
  #due = false;
  // Counts the runs that were asked for.
  #turn = 0;
  // What the proxy told last, lest it be shown again.
  #told = "";
  #afters = ["", ""];
  #repaired = {};

  constructor(about) {
    const clock = () => (this.#ended || performance.now() - this.#began) / 1000;
    const names = [about.menu ? "Straight from the mock" : "Straight from the upstream", "Through sse-proxy"];
    this.about = about;
    this.clock = clock;
    this.names = names;
    this.lanes = names.map((name) => new Lane(clock, () => this.#touch(), (...mark) => this.#marked(name, ...mark)));
    this.views = ["upstream", "proxy"].map((id, at) => new LaneView(byId("lanes"), `lane-${id}`, names[at]));
    this.timeline = new Timeline(byId("timeline"), names, clock);
    this.form = new Form(about, () => {
      this.#changed();
      this.run();
    });
    this.code = new Code(about, this.form);
    this.figures = new Figures(byId("figures"), (facts) => this.#proxyTold(facts));
    this.upstream = new Upstream(about.menu?.stats ?? null, (at, text) => this.#after(at, text));
    this.#dress();
    this.#listen();
    this.figures.start();
    this.#ended = 1;
    this.#touch();
    this.#changed();
    byId("run").disabled = false;
  }

  #dress() {
    const { about } = this;
    byId("version").textContent = `${about.menu ? "demo" : "serve"} · ${about.version}`;
    byId("left-note").textContent = about.menu
      ? "The left lane is the mock’s own bytes, relayed one for one: to the page the mock is another origin, and a naive server lets none in. Heartbeats come after " +
        `${about.heartbeat_seconds} s here, so that they can be seen; usually after 15.`
      : "The left lane is your upstream’s own bytes, relayed one for one, without the proxy’s repairs, heartbeats, limits and routes. A run asks your upstream twice, and costs two generations.";
    fillLegend(byId("legend"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => fillLegend(byId("legend")));
  }

  #listen() {
    byId("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.run();
    });
    byId("form").addEventListener("input", () => this.#changed());
    byId("dialect").addEventListener("change", () => {
      this.form.choose();
      this.#changed();
    });
    byId("cut").addEventListener("click", () => this.lanes.forEach((lane) => lane.running && lane.cut()));
    byId("stop").addEventListener("click", () => this.lanes.forEach((lane) => lane.running && lane.stop()));
    byId("marks").addEventListener("toggle", () => this.#table());
    // What lasts is shown growing: the clock, a silence.
    every(200, () => this.lanes.some((lane) => lane.running) && this.#touch());
  }

  // Runs both lanes; a run before it is stopped.
  async run() {
    const turn = (this.#turn += 1);
    await Promise.all(this.lanes.map((lane) => lane.running && lane.stop()));
    await this.running;
    if (turn !== this.#turn) return; // asked again meanwhile: that one runs
    this.running = this.#run(turn);
    await this.running;
  }

  async #run(turn) {
    const id = `playground-${crypto.getRandomValues(new Uint32Array(3)).join("-")}`;
    this.#began = performance.now();
    this.#ended = 0;
    this.#told = "";
    this.#repaired = {};
    this.#afters = ["", ""];
    delete this.views[1].card.dataset.outcome;
    this.views.forEach((view) => view.after(""));
    this.#chains();
    this.#buttons(true);
    say("Both lanes are running.");
    const runs = this.form.requests(id).map((request, at) => this.lanes[at].run(request));
    this.figures.follow(this.lanes[1].requestId);
    this.upstream.watch(this.lanes);
    await Promise.all(runs);
    this.#ended = performance.now() - this.#began;
    this.#buttons(false);
    this.figures.follow(this.lanes[1].requestId);
    this.#touch();
    this.#table();
    requestAnimationFrame(() => {
      if (turn !== this.#turn) return; // the next run has begun
      say(this.views.map((view, at) => `${this.names[at]}: ${view.said}.`).join(" "));
      byId("status").dataset.done = String(this.views.length);
    });
  }

  #buttons(running) {
    delete byId("status").dataset.done;
    // Disabled, the one that was just pressed would lose the focus, and a keyboard its place.
    for (const name of ["cut", "stop"]) byId(name).ariaDisabled = String(!running);
    byId("run").textContent = running ? "Run again" : "Run both";
  }

  // Of what happens to a lane, what its user wants to hear of at once; both lines are cut at one moment.
  #marked(name, kind, detail) {
    if (kind === "cut") say("The line was cut.");
    if (kind === "resume") say(`${name}: resumed ${detail}.`);
  }

  // The proxy tells of the stream on the right: what it has repaired, and in the end what it makes of it.
  #proxyTold({ open, ended }) {
    const facts = ended ?? open;
    const told = JSON.stringify(facts);
    // A table that is built anew loses what is selected in it.
    if (!facts || told === this.#told) return;
    this.#told = told;
    const lane = this.lanes[1];
    for (const [kind, count] of Object.entries(facts.repairs ?? {})) {
      if (count <= (this.#repaired[kind] ?? 0)) continue;
      this.#repaired[kind] = count;
      lane.mark("repair", `${kind} × ${count} so far`);
    }
    lane.marks.sort((one, other) => one.at - other.at);
    if (ended) this.#proxyEnded(ended);
    this.#touch();
    this.#table();
  }

  #proxyEnded({ outcome, repairs }) {
    if (outcome === null) return; // the answer was no stream
    const repaired = Object.entries(repairs).map(([kind, count]) => `${kind} ${count}`);
    this.outcome = `The proxy’s own verdict: ${outcome}${repaired.length ? `; repaired: ${repaired.join(", ")}` : ""}.`;
    this.views[1].card.dataset.outcome = outcome;
    this.views[1].after([this.outcome, this.#afters[1]].filter(Boolean).join(" "));
  }

  #after(at, text) {
    this.#afters[at] = text;
    const outcome = at === 1 && !this.lanes[1].running && this.views[1].card.dataset.outcome ? this.outcome : "";
    this.views[at].after([outcome, text].filter(Boolean).join(" "));
  }

  // The switches were changed: what is said of them, and the code.
  #changed() {
    const { menu } = this.about;
    byId("defect-text").textContent = (menu && menu.defects[byId("defect").value]) || "";
    byId("defect-text").textContent &&= `Framing defect: ${byId("defect-text").textContent}.`;
    if (!this.#turn) this.#chains(); // afterwards they are those of the run that is shown
    byId("tokens").disabled = byId("gap").disabled = byId("hop").disabled = this.form.slow;
    this.code.refresh();
  }

  // What each lane's answer comes through.
  #chains() {
    const server = this.about.menu ? "mock" : "upstream";
    const hop = HOP_TEXTS[this.form.hop];
    this.views[0].chain([server, hop, "this page"].filter(Boolean).join(" → "));
    this.views[1].chain([server, "sse-proxy", hop, "this page"].filter(Boolean).join(" → "));
  }

  #touch() {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      const now = this.clock();
      this.views.forEach((view, at) => view.show(this.lanes[at], now, this.about.heartbeat_seconds));
      this.timeline.show(this.lanes.map((lane) => lane.marks));
    });
  }

  #table() {
    if (!byId("marks").open) return;
    const all = this.lanes.flatMap((lane, at) => lane.marks.map((mark) => ({ ...mark, lane: this.names[at] })));
    all.sort((one, other) => one.at - other.at);
    byId("rows").replaceChildren(
      ...all.slice(-MOST_ROWS).map(({ at, lane, kind, detail }) => {
        const cells = [`${at.toFixed(3)} s`, lane, MARKS[kind].label, detail];
        return element("tr", {}, ...cells.map((textContent) => element("td", { textContent })));
      }),
    );
  }
}

async function open() {
  try {
    const about = await ask(`${HERE}/about`);
    byId("door").hidden = true;
    document.body.dataset.ready = "true";
    return new Page(about);
  } catch (error) {
    byId("door").hidden = error.status !== 401;
    byId("door-error").textContent = error.status === 401 && hasToken() ? "The proxy does not know this token." : "";
    if (error.status !== 401) say(`The proxy cannot be asked: ${error.message}.`);
    return null;
  }
}

byId("door-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  useToken(byId("token").value);
  byId("token").value = "";
  if (await open()) byId("run").focus(); // the door, and the focus with it, is gone
});
open();
