// Cohere's SDK, its second API, which tells an error as the reason of the end: an event like others.
import { CohereClientV2 } from "cohere-ai";
import { MESSAGES, Told } from "../chat.mjs";

export const connect = ({ baseURL }) => new CohereClientV2({ token: "test", environment: baseURL });

export const CALLS = {
  chat: {
    open: (client, { model, headers, maxRetries, timeoutMs }) =>
      client.chatStream({ model, messages: MESSAGES }, { headers, maxRetries, timeoutInSeconds: timeoutMs / 1000 }),
    text(event) {
      if (event.type === "message-end" && event.delta.finishReason === "ERROR") throw new Told("finish reason ERROR");
      return event.type === "content-delta" ? event.delta.message.content.text : "";
    },
  },
};
