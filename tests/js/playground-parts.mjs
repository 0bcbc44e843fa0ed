// The playground's own modules without a browser, for tests/test_playground_parts.py.
//
//   node playground-parts.mjs <directory of the modules>
//
// Prints, as JSON, what each of CASES returns. The lanes ask a server of this process.
import { once } from "node:events";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

globalThis.location = { pathname: "/-/sse-proxy/" };
const load = (name) => import(pathToFileURL(`${process.argv[2]}/${name}`));
const { NaiveReader } = await load("reader.js");
const { Lane } = await load("lane.js");
const { verdict } = await load("verdict.js");

const STREAM = "0123456789abcdef".repeat(2);
const KEPT = { Location: `/-/sse-proxy/streams/${STREAM}` };
const event = (content, id = "") => `${id && `id: ${STREAM}.${id}\n`}data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;
const REST = `${event("b", "2")}data: ${JSON.stringify({ choices: [{ delta: {}, finish_reason: "stop" }] })}\n\n`;

// Path -> what is answered at first: the headers, and what comes before the silence.
const ANSWERS = {
  "/kept": [KEPT, event("a", "1")],
  "/late": [KEPT, ": heartbeat\n\n"],
  "/named": [{ Location: "/v1/files/precious" }, event("a")],
  "/other": [{ Location: `https://elsewhere.example${KEPT.Location}` }, event("a")],
};

const asked = [];
const server = createServer((request, response) => {
  const { method, url, headers } = request;
  asked.push([method, url, headers["last-event-id"] ?? ""]);
  if (method === "DELETE") return response.writeHead(204).end();
  const type = { "Content-Type": "text/event-stream" };
  const after = headers["last-event-id"]?.split(".")[1];
  if (after === undefined) return response.writeHead(200, { ...type, ...ANSWERS[url][0] }).write(ANSWERS[url][1]);
  response.writeHead(200, { ...type, ...KEPT, "X-Replayed-From": after });
  return response.end((after === "0" ? event("a", "1") : "") + REST);
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const direct = globalThis.fetch;
globalThis.fetch = (url, options) => direct(new URL(url, `http://127.0.0.1:${server.address().port}`), options);

// A lane that runs, and `until(what)`: returns once that is true of it.
function running(url, keeps) {
  let look = () => {};
  const lane = new Lane(() => performance.now() / 1000, () => look());
  const over = lane.run({ url, method: "POST", headers: {}, body: "{}", dialect: "openai_chat", slow: false, keeps });
  const until = (what) => new Promise((done) => {
    look = () => what(lane) && done();
    look();
  });
  return { lane, over, until };
}

const told = (lane) => ({
  head: verdict(lane, 0, 15).head,
  text: lane.text,
  marks: lane.marks.map(({ kind }) => kind),
  asked: asked.splice(0),
});

async function stopped(url) {
  const { lane, over, until } = running(url, false);
  await until(() => lane.events === 1);
  await Promise.all([lane.stop(), over]);
  return told(lane);
}

// Bytes as `reader` gives them back when they come in pieces of these sizes, taken in turn.
function read(bytes, sizes) {
  const reader = new NaiveReader("openai_chat", false);
  const blocks = [];
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length];
    blocks.push(...reader.feed(bytes.subarray(at, at + size)));
    at += size;
  }
  return JSON.stringify([...blocks, ...reader.end()]);
}

// The characters that string functions look through while `work` runs.
function lookedThrough(work) {
  let count = 0;
  const undo = [[String.prototype, "split"], [String.prototype, "includes"], [String.prototype, "indexOf"], [Array.prototype, "join"]]
    .map(([type, name]) => {
      const real = type[name];
      type[name] = function (...given) {
        const result = real.apply(this, given);
        count += (typeof result === "string" ? result : String(this)).length;
        return result;
      };
      return () => (type[name] = real);
    });
  work();
  undo.forEach((one) => one());
  return count;
}

const CASES = {
  // [how many ways of splitting, how many results]
  splits() {
    const text = `: x\n\n${event("ä€😀", "1")}\n${event("b")}data: no JSON\n\nnothing\n\n\n\n\nevent: x\n\n${REST}data: left`;
    const bytes = new TextEncoder().encode(text);
    const ways = [[1], [2], [3], [7], [1, 5, 2], [bytes.length]];
    return [ways.length, new Set(ways.map((sizes) => read(bytes, sizes))).size, JSON.parse(read(bytes, [1])).length];
  },
  // Characters looked through for each that came in, of one line without an end.
  linear() {
    const piece = new Uint8Array(16_384).fill(120);
    const reader = new NaiveReader("openai_chat", false);
    const pieces = 1024;
    const count = lookedThrough(() => {
      for (let at = 0; at < pieces; at += 1) reader.feed(piece);
    });
    return { each: count / (pieces * piece.length), held: reader.end()[0].detail };
  },
  silences() {
    const lane = Object.assign(new Lane(() => 0, () => {}), { phase: "streaming", beats: 1, lastBeat: 15, lastBytes: 15 });
    const more = (now, changes = {}) => verdict(Object.assign(lane, changes), now, 15).more;
    return [more(17), more(22), more(38), more(40, { lastEvent: 35, lastBytes: 35 }), more(40, { beats: 0 })];
  },
  marks() {
    const lane = new Lane(() => 0, () => {});
    for (const kind of ["unreadable", "heartbeat", "event"]) for (let at = 0; at < 5000; at += 1) lane.mark(kind);
    lane.mark("end");
    return lane.marks.length;
  },
  stoppedKept: () => stopped("/kept"),
  stoppedNamed: () => stopped("/named"),
  stoppedOther: () => stopped("/other"),
  async stoppedAway() {
    const { lane, over, until } = running("/kept", true);
    await until(() => lane.events === 1);
    lane.cut();
    await until(() => lane.phase === "away");
    await Promise.all([lane.stop(), over]);
    return told(lane);
  },
  async cutBeforeAnEvent() {
    const { lane, over, until } = running("/late", true);
    await until(() => lane.beats === 1);
    lane.cut();
    await over;
    return told(lane);
  },
};

const results = {};
for (const [name, work] of Object.entries(CASES)) results[name] = await work();
process.stdout.write(JSON.stringify(results));
process.exit();
