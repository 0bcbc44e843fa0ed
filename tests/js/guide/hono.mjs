// The Hono server of the guide that the project grew out of, to the letter but for its pause.
import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';

const app = new Hono();

app.post('/chat/stream', async (c) => {
  const { prompt } = await c.req.json();

  return streamSSE(c, async (stream) => {
    const tokens = prompt.split(' ');

    for (const token of tokens) {
      await stream.writeSSE({
        data: JSON.stringify({ token: token + ' ' }),
        event: 'message',
      });
      await stream.sleep(10);
    }

    await stream.writeSSE({
      data: JSON.stringify({ done: true }),
      event: 'done',
    });
  });
});

export default app;
