// Vercel's AI SDK with its providers; its errors are parts of the stream, which everybody has to look for.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { streamText } from "ai";
import { PROMPT } from "../chat.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;

// *model* makes a model of a provider's settings.
const call = (path, model) => ({
  open: (_client, { baseURL, headers, maxRetries, model: name }) =>
    streamText({
      model: model({ baseURL: baseURL + path, apiKey: "test", headers }, name),
      prompt: PROMPT,
      maxRetries,
      onError: () => {}, // instead of the console
    }).fullStream,
  text(part) {
    if (part.type === "error") throw part.error;
    return part.type === "text-delta" ? part.text : "";
  },
});

export const CALLS = {
  openai: call("/v1", (options, name) => createOpenAI(options).chat(name)),
  responses: call("/v1", (options, name) => createOpenAI(options).responses(name)),
  compatible: call("/v1", (options, name) => createOpenAICompatible({ name: "test", ...options }).chatModel(name)),
  anthropic: call("/v1", (options, name) => createAnthropic(options)(name)),
  google: call("/v1beta", (options, name) => createGoogleGenerativeAI(options)(name)),
};
