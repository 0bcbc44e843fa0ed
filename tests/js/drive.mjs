// Streams answers through one official SDK and prints what the SDK made of them, as one JSON line.
//
//   node drive.mjs <sdk: openai|anthropic>  <  {"cases": […], "concurrency": 8}
//
// A case: {call, baseURL, model, body (merged over the default request), headers, timeoutMs, maxRetries}; the calls are
// the keys of CALLS. Its result: {text, events, finish, usage, final, error: {names, message, status, code} | null};
// `final` is the whole text as a helper has put it together, null for calls that are no helpers. Whatever the SDK
// throws is a result, not a failure of this script. Results come in the order of the cases.
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const PROMPT = "Count from one to ten.";
const MESSAGES = [{ role: "user", content: PROMPT }];
const TOOL = {
  type: "function",
  function: { name: "unused", parameters: { type: "object", properties: {} }, function: () => "" },
};

// What of an event is text, finish and usage.
const CHAT = {
  text: (event) => event.choices?.[0]?.delta?.content,
  finish: (event) => event.choices?.[0]?.finish_reason,
  usage: (event) => event.usage,
};
const COMPLETIONS = { ...CHAT, text: (event) => event.choices?.[0]?.text };
const RESPONSES = {
  text: (event) => (event.type === "response.output_text.delta" ? event.delta : null),
  finish: (event) => (event.type === "response.completed" ? event.response.status : null),
  usage: (event) => (event.type === "response.completed" ? event.response.usage : null),
};
const MESSAGES_API = {
  text: (event) => (event.type === "content_block_delta" ? event.delta.text : null),
  finish: (event) => (event.type === "message_delta" ? event.delta.stop_reason : null),
  usage: (event) => (event.type === "message_delta" ? event.usage : null),
};

// One row a call: how its events are read, how the stream is opened, and for helpers how the whole text is asked for.
const CALLS = {
  chat: {
    ...CHAT,
    open: (client, body) => client.chat.completions.create({ messages: MESSAGES, ...body, stream: true }),
  },
  "chat.stream": {
    ...CHAT,
    open: (client, body) => client.chat.completions.stream({ messages: MESSAGES, ...body }),
    final: (stream) => stream.finalContent(),
  },
  "chat.runTools": {
    ...CHAT,
    open: (client, body) =>
      client.chat.completions.runTools({ messages: MESSAGES, tools: [TOOL], ...body, stream: true }),
    final: (runner) => runner.finalContent(),
  },
  completions: {
    ...COMPLETIONS,
    open: (client, body) => client.completions.create({ prompt: PROMPT, ...body, stream: true }),
  },
  responses: {
    ...RESPONSES,
    open: (client, body) => client.responses.create({ input: PROMPT, ...body, stream: true }),
  },
  "responses.stream": {
    ...RESPONSES,
    open: (client, body) => client.responses.stream({ input: PROMPT, ...body }),
    final: async (stream) => (await stream.finalResponse()).output_text,
  },
  messages: {
    ...MESSAGES_API,
    open: (client, body) => client.messages.create({ messages: MESSAGES, max_tokens: 64, ...body, stream: true }),
  },
  "messages.stream": {
    ...MESSAGES_API,
    open: (client, body) => client.messages.stream({ messages: MESSAGES, max_tokens: 64, ...body }),
    final: (stream) => stream.finalText(),
  },
};

const SDKS = { openai: OpenAI, anthropic: Anthropic };

// The names of the error's class and of those it descends from.
function names(error) {
  const found = [];
  for (let kind = error.constructor; kind?.name; kind = Object.getPrototypeOf(kind)) found.push(kind.name);
  return found;
}

async function run(Client, { call, baseURL, model = "test", body = {}, headers = {}, timeoutMs, maxRetries = 0 }) {
  const row = CALLS[call];
  const client = new Client({ apiKey: "test", baseURL, defaultHeaders: headers, maxRetries, timeout: timeoutMs });
  const result = { text: "", events: 0, finish: null, usage: null, final: null, error: null };
  try {
    const stream = await row.open(client, { model, ...body });
    for await (const event of stream) {
      result.events += 1;
      result.text += row.text(event) ?? "";
      result.finish = row.finish(event) ?? result.finish;
      result.usage = row.usage(event) ?? result.usage;
    }
    result.final = row.final ? await row.final(stream) : null;
  } catch (error) {
    result.error = {
      names: names(error),
      message: String(error.message),
      status: error.status ?? null,
      // Anthropic's SDK keeps the body as it came.
      code: error.code ?? error.error?.error?.code ?? null,
    };
  }
  return result;
}

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { cases, concurrency = 8 } = JSON.parse(Buffer.concat(chunks).toString());
const results = new Array(cases.length);
let next = 0;
async function work() {
  while (next < cases.length) {
    const number = next++;
    results[number] = await run(SDKS[process.argv[2]], cases[number]);
  }
}
await Promise.all(Array.from({ length: concurrency }, work));
console.log(JSON.stringify(results));
