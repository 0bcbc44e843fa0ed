// Cohere's SDK, its second API.
import { CohereClientV2 } from "cohere-ai";
import { MESSAGES } from "../chat.mjs";

export const connect = ({ baseURL }) => new CohereClientV2({ token: "test", environment: baseURL });

export const CALLS = {
  chat: {
    open: (client, { model, headers, maxRetries, timeoutMs }) =>
      client.chatStream({ model, messages: MESSAGES }, { headers, maxRetries, timeoutInSeconds: timeoutMs / 1000 }),
    text: (event) => (event.type === "content-delta" ? event.delta.message.content.text : null),
  },
};
