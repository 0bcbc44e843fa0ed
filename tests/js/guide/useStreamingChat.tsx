// The React hook of the guide that the project grew out of, to the letter but for the `export` of its component. It knows
// no errors, and must work all the same.
import { useState, useEffect } from 'react';

export function useStreamingChat() {
  const [response, setResponse] = useState('');
  const [isStreaming, setIsStreaming] = useState(false);

  const sendMessage = async (prompt: string) => {
    setResponse('');
    setIsStreaming(true);

    const es = new EventSource(`/chat/stream?prompt=${encodeURIComponent(prompt)}`);

    es.addEventListener('message', (e) => {
      const data = JSON.parse(e.data);
      if (data.token) {
        setResponse((prev) => prev + data.token);
      }
    });

    es.addEventListener('done', () => {
      setIsStreaming(false);
      es.close();
    });

    es.onerror = () => {
      setIsStreaming(false);
      es.close();
    };
  };

  return { response, isStreaming, sendMessage };
}

// Usage
export function ChatComponent() {
  const { response, isStreaming, sendMessage } = useStreamingChat();

  return (
    <div>
      <button onClick={() => sendMessage('Hello AI!')}>
        Send
      </button>
      <div>{response}</div>
      {isStreaming && <span>...</span>}
    </div>
  );
}
