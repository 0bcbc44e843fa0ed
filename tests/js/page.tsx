// The page of the browser tests: the frontends as they are, each behind a function on `window` that runs it once and
// returns {text, error, seen}: the text that it put together, the message of what it threw, and what its EventSource
// dispatched, [{type, data, id, state}]. Those of plain JavaScript are not bundled.
import { createRoot } from "react-dom/client";
import { streamChat as streamChatByEventSource } from "/frontend/eventSource.js";
import { streamChat as streamChatByFetch } from "/frontend/fetchStream.js";
import { ChatComponent } from "../../examples/frontend/useStreamingChat";
import { streamChat as streamChatOfGuide } from "./guide/streamChat";
import { ChatComponent as ChatComponentOfGuide } from "./guide/useStreamingChat";

// Where the next EventSource writes down what it dispatches.
let witness = [];

// What the frontends find as `EventSource`: the browser's own, with a witness. The state is that of the moment:
// 0 connecting again, 1 open, 2 closed for good.
window.EventSource = class extends EventSource {
  constructor(url) {
    super(url);
    const seen = witness;
    for (const type of ["open", "message", "done", "error"]) {
      this.addEventListener(type, ({ data = null, lastEventId: id = null }) =>
        seen.push({ type, data, id, state: this.readyState }),
      );
    }
  }
};

// An EventSource must be made before `frontend` first awaits anything, so that several may run at a time.
async function run(frontend) {
  const seen = (witness = []);
  let [text, error] = ["", null];
  try {
    text = (await frontend((token) => (text += token))) ?? text;
  } catch (thrown) {
    error = String(thrown.message);
  }
  return { text, error, seen };
}

// Resolves when `condition` holds for the page's elements, looked at after every change of them.
function rendered(condition) {
  return new Promise((resolve) => {
    const look = () => condition() && (observer.disconnect(), resolve());
    const observer = new MutationObserver(look);
    observer.observe(document.body, { childList: true, subtree: true, characterData: true });
    look();
  });
}

// A component with its button pressed; over when it no longer shows that it streams. What it shows as an error is one.
async function component(element) {
  const root = document.body.appendChild(document.createElement("main"));
  createRoot(root).render(element);
  await rendered(() => root.querySelector("button"));
  return run(async (onToken) => {
    root.querySelector("button").click();
    await rendered(() => root.querySelector("span"));
    await rendered(() => !root.querySelector("span"));
    onToken(root.querySelector("div > div").textContent);
    const alert = root.querySelector("[role=alert]");
    if (alert) throw new Error(alert.textContent);
  });
}

// The guide's, and that of the docs.
const hook = () => component(<ChatComponentOfGuide />);
const react = () => component(<ChatComponent />);

// The guide's fetch reader. Its `appendToken` is the page's, so only one may run at a time.
function reader({ prompt }) {
  return run((onToken) => {
    window.appendToken = onToken;
    return streamChatOfGuide(prompt);
  });
}

function eventSource({ prompt, url }) {
  return run((onToken) => streamChatByEventSource(prompt, onToken, url));
}

function fetchStream({ prompt, url }) {
  return run((onToken) => streamChatByFetch(prompt, onToken, { url }));
}

// Several at a time.
window.all = async ({ frontends, ...given }) => {
  const known = { hook, reader, react, eventSource, fetchStream };
  return Object.fromEntries(await Promise.all(frontends.map(async (name) => [name, await known[name](given)])));
};

// Readers who have seen enough after the first token. Returns how many generations were stopped, while the page is there.
window.leaving = async ({ prompt, url }) => {
  const source = new EventSource(`${url}?prompt=${encodeURIComponent(prompt)}`);
  await new Promise((resolve) => source.addEventListener("message", resolve, { once: true }));
  source.close();

  const page = document.body.appendChild(document.createElement("main"));
  const root = createRoot(page);
  root.render(<ChatComponent />);
  await rendered(() => page.querySelector("button"));
  page.querySelector("button").click();
  await rendered(() => page.querySelector("div > div").textContent);
  root.unmount();

  const abort = new AbortController();
  await streamChatByFetch(prompt, () => abort.abort(), { url, signal: abort.signal }).catch(() => {});

  for (;;) {
    const { active, disconnected } = await (await fetch("/mock/stats")).json();
    if (!active) return disconnected;
  }
};

// An EventSource that connects again for as long as it is let, or until it has so many messages.
window.persistent = ({ url, enough = Infinity }) =>
  run(
    (onToken) =>
      new Promise((resolve) => {
        const source = new EventSource(url);
        source.addEventListener("message", ({ data }) => {
          onToken(data);
          if (--enough === 0) resolve(source.close());
        });
        source.addEventListener("error", () => source.readyState === EventSource.CLOSED && resolve());
      }),
  );

// What any page can make a browser send without asking anybody.
window.uninvited = async ({ url }) => {
  await fetch(url, { mode: "no-cors" });
  await fetch(url, { method: "POST", mode: "no-cors", body: JSON.stringify({ prompt: "Hello AI!" }) });
  await new Promise((resolve) => Object.assign(new Image(), { onload: resolve, onerror: resolve, src: url }));
};
