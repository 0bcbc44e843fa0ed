// Ollama's client.
import { Ollama } from "ollama";
import { MESSAGES } from "../chat.mjs";

export const connect = ({ baseURL, headers }) => new Ollama({ host: baseURL, headers });

export const CALLS = {
  chat: {
    open: (client, { model }) => client.chat({ model, messages: MESSAGES, stream: true }),
    text: (part) => part.message.content,
  },
};
