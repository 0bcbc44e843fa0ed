// Anthropic's SDK.
import Anthropic from "@anthropic-ai/sdk";
import { MESSAGES } from "../chat.mjs";

const EVENTS = {
  text: (event) => (event.type === "content_block_delta" ? event.delta.text : null),
  finish: (event) => (event.type === "message_delta" ? event.delta.stop_reason : null),
  usage: (event) => (event.type === "message_delta" ? event.usage : null),
};

export const connect = ({ baseURL, headers, maxRetries, timeoutMs }) =>
  new Anthropic({ apiKey: "test", baseURL, defaultHeaders: headers, maxRetries, timeout: timeoutMs });

export const CALLS = {
  messages: {
    ...EVENTS,
    open: (client, { model, body }) =>
      client.messages.create({ model, messages: MESSAGES, max_tokens: 64, ...body, stream: true }),
  },
  "messages.stream": {
    ...EVENTS,
    open: (client, { model, body }) =>
      client.messages.stream({ model, messages: MESSAGES, max_tokens: 64, ...body }),
    final: (stream) => stream.finalText(),
  },
};
