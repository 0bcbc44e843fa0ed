// What a page in Chromium can do by itself: its EventSource, and fetch behind loops as people write them. The browser's
// path is in $CHROMIUM.
import { launch } from "../chromium.mjs";
import { Told, chatRequest, knobsIn } from "../chat.mjs";

const browser = await launch(process.env.CHROMIUM);

// Origin → pages on it that nobody uses. Each has a context of its own: six connections is all that a context gets.
const idle = new Map();

export async function connect({ baseURL }) {
  const { origin } = new URL(baseURL);
  const free = idle.get(origin)?.pop();
  if (free) return free;
  const fresh = await (await browser.newContext()).newPage();
  await fresh.goto(`${origin}/health`);
  return fresh;
}

// Runs *script*, which returns {text, error}, on the page; one that hangs is left behind with its connection.
async function* on(page, script, argument) {
  const { text, error } = await page.evaluate(script, argument);
  const { origin } = new URL(page.url());
  idle.set(origin, [...(idle.get(origin) ?? []), page]);
  yield text;
  if (error !== undefined) throw new Told(error);
}

// On the page. The reconnect of an EventSource would be a second answer, so that any error is the end.
const listen = ({ url }) =>
  new Promise((resolve) => {
    const source = new EventSource(url);
    let text = "";
    const end = (error) => {
      source.close();
      resolve({ text, error });
    };
    source.addEventListener("message", (event) => {
      try {
        text += JSON.parse(event.data).token ?? "";
      } catch (error) {
        end(String(error));
      }
    });
    source.addEventListener("done", () => end());
    source.addEventListener("error", (event) => end(event.data ?? "the connection is gone"));
  });

// On the page. `separator` is what the loop cuts at: every line, or every blank line.
async function read({ url, request, separator }) {
  let text = "";
  try {
    const response = await fetch(url, request);
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let buffer = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { text };
      buffer += value;
      const parts = buffer.split(separator);
      buffer = parts.pop();
      for (const part of parts) {
        if (!part.startsWith("data: ")) continue;
        const data = part.slice(6);
        if (data.trim() === "[DONE]") return { text };
        const chunk = JSON.parse(data);
        if (chunk.error) throw new Error(chunk.error.message);
        text += chunk.choices?.[0]?.delta?.content ?? "";
      }
    }
  } catch (error) {
    return { text, error: String(error) };
  }
}

const reading = (separator) => ({
  open: (page, { baseURL, ...options }) =>
    on(page, read, { url: `${baseURL}/v1/chat/completions`, request: chatRequest(options), separator }),
  text: (text) => text,
});

const listening = (url) => ({
  open: (page, options) => on(page, listen, { url: url(options) }),
  text: (text) => text,
});

export const CALLS = {
  tokens: listening(({ baseURL, headers }) => `${baseURL}/chat/stream?${knobsIn(headers)}`),
  bridge: listening(({ baseURL }) => `${baseURL}?prompt=Hi`),
  lines: reading("\n"),
  blocks: reading("\n\n"),
};

export const close = () => browser.close();
