// One lane: a request, read as it comes by a careless reader, with everything that happened as marks on the run's clock.
import { ROOT } from "./api.js";
import { NaiveReader } from "./reader.js";
import { Wire } from "./wire.js";

// How long the page is away after its line was cut.
const AWAY_MS = 1000;
// More marks than that are counted, not kept, of the kinds that a stream can have without end: they would fill the memory.
const MOST_MARKS = 5000;
const ENDLESS = new Set(["event", "heartbeat", "unreadable"]);

// Where the proxy has a stream that it keeps. Any other `Location` is the upstream's, and nothing of it is ours to DELETE.
const STREAMS = "/-/sse-proxy/streams/";
const KEPT = /\/-\/sse-proxy\/streams\/([0-9a-f]{32})$/;

export class Lane {
  // `clock()`: seconds since the run began. `changed()`: something is to be drawn. `marked(kind, detail)`: there is a mark.
  constructor(clock, changed, marked = () => {}) {
    this.clock = clock;
    this.changed = changed;
    this.marked = marked;
    this.reset();
  }

  reset() {
    Object.assign(this, {
      phase: "idle", status: 0, text: "", marks: [], wire: new Wire(), requestId: "", told: "", stream: "",
      events: 0, beats: 0, unreadable: 0, bytes: 0, resumes: 0, first: null, gap: 0, lastEvent: null, lastBeat: null, lastBytes: null,
      lastId: "", finished: false, resumed: null, lost: "", over: null,
    });
  }

  get running() {
    return this.phase === "waiting" || this.phase === "streaming" || this.phase === "away";
  }

  // Asks, and returns when it is over. `request`: {url, method, headers, body, dialect, slow, keeps}.
  async run(request) {
    this.reset();
    this.request = request;
    this.requestId = request.headers["X-Request-Id"] ?? "";
    for (;;) {
      this.phase = "waiting";
      this.changed();
      const end = await this.#ask();
      if (end === "cut" && request.keeps && this.lastId) {
        this.phase = "away";
        this.changed();
        await this.#pause();
        if (this.phase === "away") continue;
        this.mark("stop", "by the user");
        break; // `stop` has set the phase
      }
      this.phase = end;
      break;
    }
    this.over = this.clock();
    this.changed();
  }

  // The connection is lost, as in a tunnel.
  cut() {
    if (this.phase === "away") return;
    this.#end("cut");
  }

  // The user has read enough. A stream that is kept would be generated on, so it has to be stopped by its name.
  async stop() {
    if (this.phase === "away") {
      this.phase = "stop";
      this.wake();
    }
    this.#end("stop");
    if (this.stream) await fetch(ROOT + STREAMS + this.stream, { method: "DELETE", headers: this.#token() }).catch(() => {});
  }

  // What is learnt of the lane after its end belongs to its end.
  mark(kind, detail = "") {
    if (this.marks.length < MOST_MARKS || !ENDLESS.has(kind)) this.marks.push({ at: this.over ?? this.clock(), kind, detail });
    this.marked(kind, detail);
  }

  // Until the time has come to connect again, or `stop` wakes it.
  #pause() {
    return new Promise((done) => {
      this.wake = done;
      setTimeout(done, AWAY_MS);
    });
  }

  #end(why) {
    this.why = why;
    this.abort?.abort();
  }

  #token() {
    const { Authorization } = this.request.headers;
    return Authorization ? { Authorization } : {};
  }

  async #ask() {
    const { url, method, body, headers } = this.request;
    this.abort = new AbortController();
    const again = this.lastId ? { "Last-Event-ID": this.lastId } : {};
    try {
      const { signal } = this.abort;
      const options = { method, body, headers: { ...headers, ...again }, signal, cache: "no-store", redirect: "manual" };
      return await this.#answer(await fetch(url, options));
    } catch (error) {
      if (!this.abort.signal.aborted) {
        this.lost = error.message;
        this.mark("broken", "the connection was lost");
        return "broken";
      }
      this.mark(this.why, this.why === "cut" ? `after ${this.events} events` : "by the user");
      if (this.why === "cut") this.wire.remark("the line was cut here");
      return this.why;
    }
  }

  async #answer(response) {
    this.status = response.status;
    if (response.type === "opaqueredirect") return this.#turned();
    this.#name(response.headers.get("Location") ?? "");
    if (response.status === 204) {
      this.mark("end", "204: nothing is left");
      return "end";
    }
    if (!response.ok) return this.#refused(response);
    const replayed = response.headers.get("X-Replayed-From");
    if (replayed !== null) {
      this.resumed = Number(replayed);
      this.mark("resume", `after event ${replayed}`);
      this.wire.remark(`resumed after event ${replayed}`);
    }
    this.phase = "streaming";
    await this.#read(response);
    return "end";
  }

  // The stream's name, by which it is stopped; until an event has come, there is nothing else to come back with.
  #name(location) {
    const kept = KEPT.exec(location);
    if (!kept) return;
    this.stream = kept[1];
    if (this.request.keeps) this.lastId ||= `${this.stream}.0`;
  }

  // To follow it would ask the proxy in the upstream's place, or another origin.
  #turned() {
    this.told = "redirected elsewhere, which this page does not follow";
    this.mark("error", this.told);
    return "end";
  }

  async #refused(response) {
    const text = await response.text();
    this.wire.feed(new TextEncoder().encode(text));
    try {
      this.told = String(JSON.parse(text).error.message);
    } catch {
      this.told = text.slice(0, 200);
    }
    this.told = `HTTP ${response.status}: ${this.told}`;
    this.mark("error", this.told);
    return "end";
  }

  async #read(response) {
    const type = response.headers.get("Content-Type") ?? "";
    const reader = new NaiveReader(this.request.dialect, this.request.dialect === "ollama" && !type.includes("event-stream"));
    const body = response.body.getReader();
    for (;;) {
      const { done, value } = await body.read();
      if (done) break;
      this.bytes += value.length;
      this.lastBytes = this.clock();
      this.wire.feed(value);
      reader.feed(value).forEach((block) => this.#take(block));
      this.changed();
    }
    reader.end().forEach((block) => this.#take(block));
    this.mark("end", "the body ended");
  }

  #take({ kind, text, detail, id, beats }) {
    const now = this.clock();
    for (let beat = 0; beat < (beats ?? 0); beat += 1) this.#beat("a comment");
    if (id) this.lastId = id;
    if (kind === "id") return undefined;
    if (kind === "heartbeat") return this.#beat(detail);
    if (kind === "unreadable") {
      this.unreadable += 1;
      return this.mark("unreadable", detail);
    }
    if (kind === "error") {
      this.told = detail;
      return this.mark("error", detail);
    }
    if (kind === "last") this.finished = true;
    if (!this.told) this.events += 1; // what follows an error only ends it
    if (text && this.first === null) this.first = now;
    if (this.lastEvent !== null) this.gap = Math.max(this.gap, now - this.lastEvent);
    this.lastEvent = now;
    this.text = (this.text + text).slice(-20_000);
    return this.mark("event", detail.slice(0, 80));
  }

  #beat(detail) {
    this.beats += 1;
    this.lastBeat = this.clock();
    this.mark("heartbeat", detail);
  }
}
