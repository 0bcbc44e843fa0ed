// The fetch reader of the guide that the project grew out of, to the letter but for `export`. It takes every read for
// whole events, knows neither comments nor errors, and must work all the same. `appendToken` is the page's.
export async function streamChat(prompt: string) {
  const response = await fetch('/chat/stream', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ prompt }),
  });

  const reader = response.body!.getReader();
  const decoder = new TextDecoder();

  while (true) {
    const { done, value } = await reader.read();
    if (done) break;

    const chunk = decoder.decode(value);
    const lines = chunk.split('\n\n');

    for (const line of lines) {
      if (line.startsWith('data: ')) {
        const data = JSON.parse(line.slice(6));

        if (data.token) {
          appendToken(data.token);
        }

        if (data.done) {
          return;
        }
      }
    }
  }
}
