// Google's SDK for Gemini.
import { GoogleGenAI } from "@google/genai";
import { PROMPT } from "../chat.mjs";

export const connect = ({ baseURL, headers, timeoutMs }) =>
  new GoogleGenAI({ apiKey: "test", httpOptions: { baseUrl: baseURL, headers, timeout: timeoutMs } });

export const CALLS = {
  generateContentStream: {
    open: (client, { model }) => client.models.generateContentStream({ model, contents: PROMPT }),
    text: (chunk) => chunk.text,
  },
};
