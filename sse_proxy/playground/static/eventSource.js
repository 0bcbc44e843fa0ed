// One answer through the browser's EventSource, token by token. Resolves when it is whole, rejects when it is not.
export function streamChat(prompt, onToken, url = "/chat/stream") {
  return new Promise((resolve, reject) => {
    const source = new EventSource(`${url}?prompt=${encodeURIComponent(prompt)}`);
    source.addEventListener("message", (event) => onToken(JSON.parse(event.data).token));
    source.addEventListener("done", () => {
      source.close();
      resolve();
    });
    // The proxy's `event: error` has data; the browser's own error, for a lost or refused connection, has none.
    source.addEventListener("error", (event) => {
      source.close();
      reject(new Error(event.data ? JSON.parse(event.data).error.message : "the connection was lost"));
    });
  });
}
