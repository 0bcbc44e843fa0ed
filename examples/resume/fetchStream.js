// One answer through fetch, by POST, which asks again with the id of its last event whenever the line is lost. Resolves
// when the answer is whole, rejects when it is not.
export async function streamChat(prompt, onToken, { url = "/chat/stream", signal, headers, tries = 20 } = {}) {
  const fields = { ...headers, "Content-Type": "application/json", Accept: "text/event-stream" };
  // Without an id yet, the same request joins what it has begun; nothing is generated twice.
  fields["Idempotency-Key"] = crypto.getRandomValues(new Uint32Array(4)).join("-");
  for (let failures = 0; ; failures++) {
    try {
      const response = await fetch(url, { method: "POST", headers: fields, body: JSON.stringify({ prompt }), signal });
      if (response.status !== 200) throw { final: response.status !== 503, message: `status ${response.status}` };
      for await (const event of events(response.body)) {
        failures = 0;
        if (event.id) fields["Last-Event-ID"] = event.id;
        if (event.type === "done") return;
        if (event.type === "error") throw { final: true, message: JSON.parse(event.data).error.message };
        if (event.data) onToken(JSON.parse(event.data).token);
      }
      throw new Error("the connection was lost");
    } catch (error) {
      if (error.final || signal?.aborted || failures >= tries) throw new Error(error.message, { cause: error });
    }
    await new Promise((again) => setTimeout(again, Math.min(250 * 2 ** failures, 10_000)));
  }
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = "", chunk; !(chunk = await reader.read()).done; ) {
    const blocks = (rest + chunk.value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const event = { type: "message", data: "" };
      for (const line of block.split("\n")) {
        const [field, text] = line.split(/: (.*)/s);
        event[field === "event" ? "type" : field] = text;
      }
      yield event;
    }
  }
}
