// eventsource-parser behind fetch.
import { EventSourceParserStream } from "eventsource-parser/stream";
import { chatRequest, chatText } from "../chat.mjs";

async function* texts({ baseURL, ...options }) {
  const response = await fetch(`${baseURL}/v1/chat/completions`, chatRequest(options));
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const events = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  for await (const event of events) {
    const text = chatText(event.data);
    if (text === null) return;
    yield text;
  }
}

export const CALLS = { chat: { open: (_client, options) => texts(options), text: (text) => text } };
