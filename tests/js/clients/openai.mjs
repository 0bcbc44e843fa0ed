// OpenAI's SDK.
import OpenAI from "openai";
import { CHAT, MESSAGES, PROMPT } from "../chat.mjs";

const TOOL = {
  type: "function",
  function: { name: "unused", parameters: { type: "object", properties: {} }, function: () => "" },
};

const RESPONSES = {
  text: (event) => (event.type === "response.output_text.delta" ? event.delta : null),
  finish: (event) => (event.type === "response.completed" ? event.response.status : null),
  usage: (event) => (event.type === "response.completed" ? event.response.usage : null),
};

export const connect = ({ baseURL, headers, maxRetries, timeoutMs }) =>
  new OpenAI({ apiKey: "test", baseURL, defaultHeaders: headers, maxRetries, timeout: timeoutMs });

export const CALLS = {
  chat: {
    ...CHAT,
    open: (client, { model, body }) =>
      client.chat.completions.create({ model, messages: MESSAGES, ...body, stream: true }),
  },
  "chat.stream": {
    ...CHAT,
    open: (client, { model, body }) => client.chat.completions.stream({ model, messages: MESSAGES, ...body }),
    final: (stream) => stream.finalContent(),
  },
  "chat.runTools": {
    ...CHAT,
    open: (client, { model, body }) =>
      client.chat.completions.runTools({ model, messages: MESSAGES, tools: [TOOL], ...body, stream: true }),
    final: (runner) => runner.finalContent(),
  },
  completions: {
    ...CHAT,
    text: (event) => event.choices?.[0]?.text,
    open: (client, { model, body }) => client.completions.create({ model, prompt: PROMPT, ...body, stream: true }),
  },
  responses: {
    ...RESPONSES,
    open: (client, { model, body }) => client.responses.create({ model, input: PROMPT, ...body, stream: true }),
  },
  "responses.stream": {
    ...RESPONSES,
    open: (client, { model, body }) => client.responses.stream({ model, input: PROMPT, ...body }),
    final: async (stream) => (await stream.finalResponse()).output_text,
  },
};
