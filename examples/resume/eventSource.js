// One answer through the browser's EventSource, which comes back to it whenever the line is lost. Resolves when the
// answer is whole, rejects when it is not.
export function streamChat(prompt, onToken, url = "/chat/stream") {
  let last = "";
  let failures = 0;
  return new Promise((resolve, reject) => {
    function open() {
      const source = new EventSource(`${url}?prompt=${encodeURIComponent(prompt)}&last_event_id=${last}`);
      const end = (settle, value) => {
        source.close();
        settle(value);
      };
      source.addEventListener("message", (event) => {
        last = event.lastEventId;
        failures = 0;
        onToken(JSON.parse(event.data).token);
      });
      source.addEventListener("done", () => end(resolve));
      source.addEventListener("error", (event) => {
        // The proxy's `event: error` has data; the browser's own, for a lost or refused connection, has none.
        if (event.data) end(reject, new Error(JSON.parse(event.data).error.message));
        else if (source.readyState !== EventSource.CLOSED) return; // it connects again by itself, with its last id
        else if (!navigator.onLine) window.addEventListener("online", open, { once: true }); // some give up meanwhile
        else if (last && failures < 4) setTimeout(open, 250 * 2 ** failures++); // a 503 has ended it as much as a 204
        else end(reject, new Error("the rest of the answer is not there any more"));
      });
    }
    open();
  });
}
