// Mistral's SDK.
import { Mistral } from "@mistralai/mistralai";
import { CHAT, MESSAGES } from "../chat.mjs";

export const connect = ({ baseURL, timeoutMs }) =>
  new Mistral({ apiKey: "test", serverURL: baseURL, timeoutMs, retryConfig: { strategy: "none" } });

export const CALLS = {
  chat: {
    open: (client, { model, headers }) =>
      client.chat.stream({ model, messages: MESSAGES }, { fetchOptions: { headers } }),
    text: (event) => CHAT.text(event.data),
  },
};
