// The switches, and the two requests that they make.
import { credentials, HERE, ROOT } from "./api.js";
import { APIS } from "./apis.js";
import { element } from "./view.js";

// What a slow client is given to read, as fast as it can be written: more than the buffers on the way can take.
const LONG = { tokens: 10_000, wide: 8192, rate: 0 };

const FATES = [
  ["none", "goes on to the end"],
  ["stall_after", "goes silent for ever"],
  ["die_after", "dies"],
  ["die_mid_event", "dies within an event"],
  ["truncate_after", "ends early, politely"],
  ["error_after", "tells an error"],
];
const HOPS = [
  ["none", "none"],
  ["nginx", "collects 4 KiB, as nginx"],
  ["all", "holds all until the end"],
];
const PACES = [
  ["fast", "reads at once"],
  ["slow", "reads 64 KiB a second"],
];
export const HOP_TEXTS = {
  none: "",
  nginx: "hop that collects 4 KiB, unless told X-Accel-Buffering: no",
  all: "hop that holds everything until the end",
  slow: "line that takes 64 KiB a second",
};

// Label, and what of the switches it changes.
const PRESETS = [
  ["Clean", {}],
  ["Wrong line ends", { defect: "single_newline" }],
  ["JSON cut in two", { defect: "split_json" }],
  ["Silent for 6 s", { prefill: "6" }],
  ["Dies", { fate: "die_after" }],
  ["Ends early", { fate: "truncate_after" }],
  ["Goes silent", { fate: "stall_after" }],
  ["Buffering nginx", { hop: "nginx" }],
  ["Slow client", { pace: "slow" }],
];
const START = { defect: "none", tokens: "40", gap: "80", prefill: "0", fate: "none", after: "12", hop: "none", pace: "fast" };

const field = (name) => document.getElementById(name);

function fill(select, options) {
  select.replaceChildren(...options.map(([value, text]) => element("option", { value, textContent: text })));
}

export class Form {
  #presets = [];

  // `about`: what the proxy says of itself. `run()`: a preset was pressed, and the switches are set.
  constructor(about, run) {
    this.about = about;
    this.menu = about.menu;
    this.dialects = this.menu?.dialects ?? APIS;
    fill(field("dialect"), this.dialects.map(({ name, label }) => [name, label]));
    fill(field("fate"), FATES);
    fill(field("hop"), HOPS);
    fill(field("pace"), PACES);
    document.querySelectorAll(".demo").forEach((part) => (part.hidden = !this.menu));
    document.querySelectorAll(".serve").forEach((part) => (part.hidden = Boolean(this.menu)));
    field("resume").checked = about.resume;
    field("resume").disabled = !about.resume;
    this.#offer(run);
    this.choose();
  }

  #offer(run) {
    field("presets").hidden = !this.menu;
    this.#presets = (this.menu ? PRESETS : []).map(([label, changes]) => {
      const button = element("button", { type: "button", textContent: label });
      button.addEventListener("click", () => {
        this.#preset(changes);
        run();
      });
      field("presets").append(button);
      return [button, changes];
    });
  }

  get dialect() {
    return this.dialects.find(({ name }) => name === field("dialect").value);
  }

  get keeps() {
    return field("resume").checked;
  }

  get slow() {
    return field("pace").value === "slow";
  }

  // What stands between the lanes and the page; a slow client is a slow line of its own.
  get hop() {
    return this.slow ? "slow" : field("hop").value;
  }

  // Another dialect: other defects have a meaning, and in front of a real upstream another path and body.
  choose() {
    const { dialect } = this;
    if (!this.menu) {
      field("method").value = dialect.method;
      field("path").value = dialect.path + (dialect.query ? `?${dialect.query}` : "");
      field("body").value = dialect.body ?? "";
      return;
    }
    const before = field("defect").value;
    const known = Object.entries(this.menu.defects).filter(([name]) => dialect.defects.includes(name));
    fill(field("defect"), [["none", "none"], ...known.map(([name]) => [name, name.replaceAll("_", " ")])]);
    field("defect").value = dialect.defects.includes(before) ? before : "none";
    for (const [button, { defect }] of this.#presets) {
      button.disabled = defect !== undefined && !dialect.defects.includes(defect);
      button.title = button.disabled ? `${dialect.label} has no such defect` : "";
    }
  }

  // Sets the switches as a preset says, and the others as they were at first.
  #preset(changes) {
    for (const [name, value] of Object.entries({ ...START, ...changes })) field(name).value = value;
  }

  // The mock's knobs as they are set.
  knobs() {
    if (!this.menu) return {};
    const value = (name) => field(name).value;
    const gap = Number(value("gap"));
    const knobs = this.slow
      ? { ...LONG }
      : { tokens: Number(value("tokens")), rate: gap ? Number((1000 / gap).toFixed(3)) : 0 };
    if (Number(value("prefill"))) knobs.prefill = Number(value("prefill"));
    if (value("defect") !== "none") knobs.defect = value("defect");
    if (value("fate") !== "none") knobs[value("fate")] = Number(value("after"));
    return knobs;
  }

  // What is asked of the proxy: {method, path, query, body, headers}, without what the page needs for itself; `mock`: the
  // switches as headers.
  asked() {
    if (!this.menu) {
      const [path, query = ""] = field("path").value.trim().split(/\?(.*)/s);
      const method = field("method").value;
      // One slash in front: two would be a host, which a browser would ask in the proxy's place.
      return { method, path: path.replace(/^[/\\\s]*/, "/"), query, body: method === "POST" ? field("body").value : null, headers: {}, mock: {} };
    }
    const { method, path, query, body, knobs } = this.dialect;
    const pairs = Object.entries(this.knobs());
    const mock = Object.fromEntries(pairs.map(([name, value]) => [`X-Mock-${name.replaceAll("_", "-")}`, String(value)]));
    if (knobs === "headers") return { method, path, query, body, headers: mock, mock };
    const parameters = [query, ...pairs.map(([name, value]) => `${name}=${value}`)].filter(Boolean).join("&");
    return { method, path, query: parameters, body, headers: {}, mock };
  }

  // The requests of both lanes for a run of this name.
  requests(run) {
    const asked = this.asked();
    const straight = this.dialect.upstream ? { ...asked, ...this.dialect.upstream } : asked;
    const left = this.#request(straight, `${HERE}/lane/upstream/${this.hop}`, `${run}-upstream`);
    const right = this.#request(asked, this.hop === "none" ? ROOT : `${HERE}/lane/proxy/${this.hop}`, `${run}-proxy`);
    // A bridge's upstream is asked in its own API, and answers in it.
    if (this.dialect.upstream) left.dialect = "openai_chat";
    right.keeps = this.keeps;
    if (this.keeps) right.headers["X-SSE-Resume"] = "on";
    return [left, right];
  }

  #request({ method, path, query, body, headers }, base, id) {
    const own = { ...headers, ...credentials(), "X-Request-Id": id };
    if (body !== null) own["Content-Type"] = "application/json";
    if (this.menu) own["X-Mock-Id"] = id;
    const url = base + path + (query ? `?${query}` : "");
    return { url, method, body: body ?? undefined, headers: own, dialect: this.dialect.name, slow: this.slow, keeps: false };
  }
}
