// Microsoft's fetch-event-source, which is made for pages: it gets as much of one as it asks for.
import { chatRequest, chatText } from "../chat.mjs";

globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
const { fetchEventSource } = await import("@microsoft/fetch-event-source");

async function* texts({ baseURL, ...options }) {
  const arrived = [];
  let failed;
  await fetchEventSource(`${baseURL}/v1/chat/completions`, {
    ...chatRequest(options),
    openWhenHidden: true,
    onmessage: (event) => arrived.push(chatText(event.data) ?? ""),
    // What is thrown here ends it; else it would ask again.
    onerror: (error) => {
      throw error;
    },
  }).catch((error) => (failed = error));
  yield* arrived;
  if (failed) throw failed;
}

export const CALLS = { chat: { open: (_client, options) => texts(options), text: (text) => text } };
