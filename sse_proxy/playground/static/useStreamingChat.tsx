// React and EventSource: a hook, and a component that uses it. `GET /chat/stream?prompt=…` is a bridge of the proxy.
import { useEffect, useRef, useState } from 'react';

export function useStreamingChat(url = '/chat/stream') {
  const [response, setResponse] = useState('');
  const [error, setError] = useState('');
  const [isStreaming, setIsStreaming] = useState(false);
  const source = useRef<EventSource | null>(null);

  // Ends the upstream's request too, so a component that is gone costs nothing.
  const stop = () => {
    source.current?.close();
    setIsStreaming(false);
  };
  useEffect(() => () => source.current?.close(), []);

  const sendMessage = (prompt: string) => {
    stop();
    setResponse('');
    setError('');
    setIsStreaming(true);

    const es = new EventSource(`${url}?prompt=${encodeURIComponent(prompt)}`);
    source.current = es;

    es.addEventListener('message', (e) => {
      const { token } = JSON.parse(e.data);
      setResponse((prev) => prev + token);
    });

    es.addEventListener('done', stop);

    // The proxy's `event: error` has data; the browser's own error, for a lost or refused connection, has none.
    es.addEventListener('error', (e) => {
      const { data } = e as MessageEvent;
      setError(data ? JSON.parse(data).error.message : 'the connection was lost');
      stop();
    });
  };

  return { response, error, isStreaming, sendMessage, stop };
}

// Usage
export function ChatComponent() {
  const { response, error, isStreaming, sendMessage, stop } = useStreamingChat();

  return (
    <div>
      <button onClick={() => sendMessage('Hello AI!')}>
        Send
      </button>
      <div>{response}</div>
      {isStreaming && <span>... <button onClick={stop}>Stop</button></span>}
      {error && <p role="alert">The answer is not whole: {error}</p>}
    </div>
  );
}
