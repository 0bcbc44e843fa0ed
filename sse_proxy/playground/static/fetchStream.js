// One answer through fetch, by POST: for prompts too long for a URL, for headers, and to stop it with an AbortSignal.
// Resolves when the answer is whole, rejects when it is not.
export async function streamChat(prompt, onToken, { url = "/chat/stream", ...options } = {}) {
  const response = await fetch(url, {
    ...options,
    method: "POST",
    headers: { "Content-Type": "application/json", ...options.headers },
    body: JSON.stringify({ prompt }),
  });
  if (!response.ok) throw new Error((await response.json()).error.message);

  for await (const { event, data } of events(response.body)) {
    if (event === "done") return;
    if (event === "error") throw new Error(JSON.parse(data).error.message);
    if (data) onToken(JSON.parse(data).token);
  }
  throw new Error("the connection was lost");
}

// The events of a body, whatever pieces it comes in. The proxy writes lines that end in \n, with one `data:` an event.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        yield Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s, 2)));
      }
    }
  } finally {
    await reader.cancel();
  }
}
