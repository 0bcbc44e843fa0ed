// The tabs with code to copy, always for what the switches say now.
import { HERE, ROOT } from "./api.js";
import * as sdks from "./sdks.js";
import * as snippets from "./snippets.js";
import { element } from "./view.js";

const OF_OPENAI = ["openai_chat", "openai_completions", "openai_responses"];
// Of those, the SDKs that can send no query; it is mostly their own.
const WITHOUT_QUERY = new Set(["genai", "genai-js", "ollama", "ollama-js"]);
// Whose readers know events and no lines.
const OF_EVENTS = new Set(["js", "httpx"]);
// An SDK always sends a body.
const sdk = (make) => (asked) => make({ ...asked, body: asked.body ?? {} });
// Where the proxy's own token goes; the page never writes the real one anywhere.
const SECRET = "YOUR_TOKEN";

// Name, label, the dialects that it is for (null: all), the example of the repository that it is (null: none), and how.
const TABS = [
  ["curl", "curl", null, null, snippets.curl],
  ["js", "JavaScript, fetch", null, null, snippets.javascript],
  ["eventsource", "EventSource", "bridge", "eventSource.js",
    (source) => snippets.bridged(source, (url) => `await streamChat("Hello", (token) => console.log(token), ${JSON.stringify(url)});\n`)],
  ["fetch", "fetch, bridge", "bridge", "fetchStream.js",
    (source) => snippets.bridged(source, (url) => `let text = "";\nawait streamChat("Hello", (token) => (text += token), { url: ${JSON.stringify(url)} });\nconsole.log(text);\n`)],
  ["react", "React", "bridge", "useStreamingChat.tsx", (source) => () => source],
  ["vue", "Vue", "bridge", "useStreamingChat.vue.js", (source) => () => source],
  ["httpx", "Python, httpx", null, null, snippets.httpx],
  ["openai", "Python, openai", OF_OPENAI, null, sdk(sdks.openaiPython)],
  ["openai-js", "JavaScript, openai", OF_OPENAI, null, sdk(sdks.openaiJs)],
  ["anthropic", "Python, anthropic", ["anthropic"], null, sdk(sdks.anthropicPython)],
  ["anthropic-js", "JavaScript, anthropic", ["anthropic"], null, sdk(sdks.anthropicJs)],
  ["genai", "Python, google-genai", ["gemini"], null, sdk(sdks.genaiPython)],
  ["genai-js", "JavaScript, google-genai", ["gemini"], null, sdk(sdks.genaiJs)],
  ["ollama", "Python, ollama", ["ollama"], null, sdk(sdks.ollamaPython)],
  ["ollama-js", "JavaScript, ollama", ["ollama"], null, sdk(sdks.ollamaJs)],
];

const byId = (id) => document.getElementById(id);

export class Code {
  #chosen = "curl";
  #sources = new Map();

  constructor(about, form) {
    this.about = about;
    this.form = form;
    this.buttons = TABS.map(([name, label]) => {
      const button = element("button", { type: "button", id: `tab-${name}`, textContent: label, role: "tab" });
      button.setAttribute("aria-controls", "code");
      button.addEventListener("click", () => this.#choose(name));
      return button;
    });
    byId("tabs").append(...this.buttons);
    byId("tabs").addEventListener("keydown", (event) => this.#move(event));
    byId("copy").addEventListener("click", () => this.#copy());
    this.#load();
  }

  // Shows the chosen tab's code anew.
  refresh() {
    const [name, label, , example, make] = TABS.find(([known]) => known === this.#chosen);
    this.buttons.forEach((button, at) => {
      const chosen = TABS[at][0] === name;
      button.setAttribute("aria-selected", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    });
    const note = this.#note(label);
    const shown = !note.stops && (!example || this.#sources.has(example));
    byId("code").textContent = shown ? (example ? make(this.#sources.get(example)) : make)(this.#asked()) : "";
    byId("code").hidden = byId("copy").hidden = note.stops;
    byId("code-note").textContent = note.text;
  }

  async #load() {
    for (const [, , , example] of TABS.filter(([, , , file]) => file)) {
      const response = await fetch(`${HERE}/${example}`);
      this.#sources.set(example, await response.text());
    }
    this.refresh();
  }

  #choose(name) {
    this.#chosen = name;
    byId("copy").textContent = "Copy";
    this.refresh();
  }

  #move(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = TABS.findIndex(([name]) => name === this.#chosen);
    const next = (at + step + TABS.length) % TABS.length;
    this.#choose(TABS[next][0]);
    this.buttons[next].focus();
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(byId("code").textContent);
      byId("copy").textContent = "Copied";
    } catch {
      // Not on plain HTTP of another machine; what is selected can be copied by hand.
      getSelection().selectAllChildren(byId("code"));
      byId("copy").textContent = "Selected: copy it";
    }
  }

  // What has to be said of the chosen tab; `stops`: there is no such code for this dialect.
  #note(label) {
    const [, , fits] = TABS.find(([name]) => name === this.#chosen);
    const dialect = this.form.dialect;
    if (fits === "bridge") {
      if (this.about.bridges.length) return { text: `By the bridge at ${this.about.bridges[0]}: a prompt goes in, tokens come out, whatever API the upstream has. The switches above are not in it.` };
      return { text: "Needs a bridge: start the proxy with --bridge /chat/stream=/v1/chat/completions --bridge-model MODEL." };
    }
    if (fits && !fits.includes(dialect.name)) return { stops: true, text: `${label} does not speak this dialect: choose another above.` };
    const said = [];
    if (this.#wantsEvents()) said.push("Asks for events instead of lines, by Accept: text/event-stream.");
    const { body, query } = this.form.asked();
    if (WITHOUT_QUERY.has(this.#chosen) && !this.about.menu && query !== dialect.query) said.push("The query above is not in it: the SDK has its own.");
    if (parsed(body) === undefined) said.push("The body above is no JSON; here {} stands in its place.");
    return { text: said.join(" ") };
  }

  #wantsEvents() {
    return this.form.dialect.name === "ollama" && OF_EVENTS.has(this.#chosen);
  }

  #asked() {
    const asked = this.form.asked();
    const body = parsed(asked.body);
    const origin = location.origin + ROOT;
    const headers = asked.body === null ? {} : { "Content-Type": "application/json" };
    if (this.#wantsEvents()) headers.Accept = "text/event-stream";
    if (this.about.tokens) headers.Authorization = `Bearer ${SECRET}`;
    return {
      origin,
      url: origin + asked.path + (asked.query ? `?${asked.query}` : ""),
      path: asked.path,
      method: asked.method,
      headers: { ...headers, ...asked.headers },
      body: body === undefined ? {} : body,
      query: Object.fromEntries(new URLSearchParams(asked.query)),
      mock: asked.mock,
      dialect: this.form.dialect.name,
      bridge: origin + (this.about.bridges[0] ?? "/chat/stream"),
      secret: this.about.tokens ? SECRET : "",
    };
  }
}

// The body; undefined: it is no JSON, as what is being typed is for a while.
function parsed(body) {
  if (body === null) return null;
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
