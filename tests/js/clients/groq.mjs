// Groq's SDK.
import Groq from "groq-sdk";
import { CHAT, MESSAGES } from "../chat.mjs";

export const connect = ({ baseURL, headers, maxRetries, timeoutMs }) =>
  new Groq({ apiKey: "test", baseURL, defaultHeaders: headers, maxRetries, timeout: timeoutMs });

export const CALLS = {
  chat: {
    ...CHAT,
    open: (client, { model }) => client.chat.completions.create({ model, messages: MESSAGES, stream: true }),
  },
};
