// The EventSource of npm's eventsource; it ends at `event: done`, as every page has to, or it would begin anew.
import { EventSource } from "eventsource";
import { Told, knobsIn, tokenText } from "../chat.mjs";

async function* events(url) {
  const source = new EventSource(url);
  const arrived = [];
  let wake = () => {};
  const put = (event) => {
    arrived.push(event);
    wake();
  };
  for (const kind of ["message", "done", "error"]) source.addEventListener(kind, put);
  try {
    for (;;) {
      while (arrived.length === 0) await new Promise((resolve) => (wake = resolve));
      const event = arrived.shift();
      if (event.type === "done") return;
      if (event.type === "error") throw new Told(event.data ?? event.message ?? "the connection is gone");
      yield event.data;
    }
  } finally {
    source.close();
  }
}

export const CALLS = {
  tokens: { open: (_client, { baseURL, headers }) => events(`${baseURL}/chat/stream?${knobsIn(headers)}`), text: tokenText },
  bridge: { open: (_client, { baseURL }) => events(`${baseURL}?prompt=Hi`), text: tokenText },
};
