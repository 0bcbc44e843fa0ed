// What the clients are asked for, and how an event of OpenAI's chat is read.
export const PROMPT = "Count from one to ten.";
export const MESSAGES = [{ role: "user", content: PROMPT }];

// What of an event is text, finish and usage.
export const CHAT = {
  text: (event) => event.choices?.[0]?.delta?.content,
  finish: (event) => event.choices?.[0]?.finish_reason,
  usage: (event) => event.usage,
};

// Told by the server in the stream, where the client itself has no exception for it.
export class Told extends Error {}

// What a loop that somebody writes around a parser makes of an event's data: the text, null for the end.
export function chatText(data) {
  if (data === "[DONE]") return null;
  const chunk = JSON.parse(data);
  if (chunk.error) throw new Told(chunk.error.message ?? JSON.stringify(chunk.error));
  return CHAT.text(chunk) ?? "";
}

// The same for `{"token": …}` events, which an EventSource can get.
export const tokenText = (data) => JSON.parse(data).token ?? "";

// A chat request for those who post by themselves.
export const chatRequest = ({ headers, model }) => ({
  method: "POST",
  headers: { ...headers, "Content-Type": "application/json" },
  body: JSON.stringify({ model, messages: MESSAGES, stream: true }),
});

// The mock's knobs as a query, for those who can set no headers.
export function knobsIn(headers) {
  const knobs = Object.entries(headers).filter(([name]) => name.startsWith("X-Mock-"));
  return new URLSearchParams(knobs.map(([name, value]) => [name.slice(7).toLowerCase().replaceAll("-", "_"), value]));
}
