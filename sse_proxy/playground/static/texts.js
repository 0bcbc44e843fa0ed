// What one payload of an API says to a person: its text, and whether it is a heartbeat, an error, or the API's own end.
// A payload is {event, data}: the event's type and its data, already put together from its lines.

const choice = (doc) => doc.choices?.[0] ?? {};
const part = (doc) => doc.candidates?.[0] ?? {};
const empty = (object) => object !== undefined && object !== null && Object.keys(object).length === 0;

// Dialect -> how its payloads are read. `beat`: changes nothing. `last`: the API's sign that the answer is whole.
const DIALECTS = {
  openai_chat: {
    text: (doc) => choice(doc).delta?.content,
    beat: (doc) => empty(choice(doc).delta) && choice(doc).finish_reason === null,
    last: (doc) => Boolean(choice(doc).finish_reason),
  },
  openai_completions: {
    text: (doc) => choice(doc).text,
    beat: (doc) => choice(doc).text === "" && choice(doc).finish_reason === null,
    last: (doc) => Boolean(choice(doc).finish_reason),
  },
  openai_responses: {
    text: (doc) => (doc.type === "response.output_text.delta" ? doc.delta : ""),
    last: (doc) => doc.type === "response.completed",
  },
  anthropic: {
    text: (doc) => (doc.type === "content_block_delta" ? doc.delta?.text : ""),
    last: (doc) => doc.type === "message_stop",
  },
  ollama: { text: (doc) => doc.message?.content ?? doc.response, last: (doc) => doc.done === true },
  gemini: {
    text: (doc) => (part(doc).content?.parts ?? []).map((piece) => piece.text ?? "").join(""),
    beat: (doc) => Array.isArray(doc.candidates) && doc.candidates.length === 0,
    last: (doc) => Boolean(part(doc).finishReason),
  },
  tokens: { text: (doc) => doc.token, last: (doc, event) => event === "done" || doc.done === true },
};

const BEATS = new Set(["ping", "keepalive", "heartbeat"]);

// An `error` field that is null or empty is none: Responses has one in every answer.
const failure = (doc, event) => {
  const told = doc.error ?? doc.response?.error;
  if (!told && event !== "error" && doc.type !== "error" && doc.type !== "response.failed") return "";
  return String(told?.message ?? doc.message ?? told ?? "an error without words");
};

// {kind, text, detail}; kind is "event", "heartbeat", "error" or "last".
// Throws SyntaxError where the data is not the JSON that the dialect has.
export function meaning(dialect, { event, data }) {
  if (data === "[DONE]") return { kind: "last", text: "", detail: "[DONE]" };
  if (BEATS.has(event)) return { kind: "heartbeat", text: "", detail: `event: ${event}` };
  if (dialect === "generic") {
    if (event === "error") return { kind: "error", text: "", detail: failure(parsed(data), event) };
    return data === "" ? { kind: "heartbeat", text: "", detail: "no data" } : { kind: "event", text: data, detail: data };
  }
  const doc = parsed(data);
  const told = failure(doc, event);
  if (told) return { kind: "error", text: "", detail: told };
  const reads = DIALECTS[dialect] ?? DIALECTS.openai_chat;
  if (BEATS.has(doc.type) || reads.beat?.(doc)) return { kind: "heartbeat", text: "", detail: "an event that changes nothing" };
  const text = reads.text(doc) ?? "";
  return { kind: reads.last(doc, event) ? "last" : "event", text, detail: text };
}

function parsed(data) {
  const doc = JSON.parse(data);
  if (doc === null || typeof doc !== "object") throw new SyntaxError("no JSON object");
  return doc;
}
