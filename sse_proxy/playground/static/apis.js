// What to begin with in front of a real upstream: a path and a body of each API, to be edited. MODEL is the person's.
const chat = { model: "MODEL", stream: true, messages: [{ role: "user", content: "Hello" }] };
const row = (name, label, path, body, query = "") => ({
  name, label, path, query, method: body ? "POST" : "GET", body: body && JSON.stringify(body), knobs: "query", upstream: null,
});

export const APIS = [
  row("openai_chat", "OpenAI chat", "/v1/chat/completions", chat),
  row("openai_completions", "OpenAI completions", "/v1/completions", { model: "MODEL", stream: true, prompt: "Hello" }),
  row("openai_responses", "OpenAI Responses", "/v1/responses", { model: "MODEL", stream: true, input: "Hello" }),
  row("anthropic", "Anthropic Messages", "/v1/messages", { ...chat, max_tokens: 1024 }),
  row("ollama", "Ollama, native lines", "/api/chat", chat),
  row("gemini", "Gemini", "/v1beta/models/MODEL:streamGenerateContent", { contents: [{ role: "user", parts: [{ text: "Hello" }] }] }, "alt=sse"),
  row("generic", "Generic events (GET)", "/events", null),
  row("tokens", "Bridge: a prompt in, tokens out", "/chat/stream", { prompt: "Hello" }),
];
