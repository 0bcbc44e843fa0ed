// Hugging Face's client; what goes with a request goes into its fetch.
import { InferenceClient } from "@huggingface/inference";
import { CHAT, MESSAGES } from "../chat.mjs";

export const connect = () => new InferenceClient("test");

export const CALLS = {
  chat: {
    ...CHAT,
    open: (client, { model, baseURL, headers }) =>
      client.chatCompletionStream(
        { endpointUrl: baseURL, model, messages: MESSAGES },
        { fetch: (url, options) => fetch(url, { ...options, headers: { ...options.headers, ...headers } }) },
      ),
  },
};
