// Vue: a composable around fetchStream.js; `GET` and `POST /chat/stream` are a bridge of the proxy.
import { onScopeDispose, ref } from "vue";
import { streamChat } from "./fetchStream.js";

export function useStreamingChat(url = "/chat/stream") {
  const response = ref("");
  const error = ref("");
  const isStreaming = ref(false);
  let controller = new AbortController();

  async function sendMessage(prompt) {
    stop();
    const { signal } = (controller = new AbortController());
    response.value = error.value = "";
    isStreaming.value = true;
    try {
      await streamChat(prompt, (token) => (response.value += token), { url, signal });
    } catch (reason) {
      if (!signal.aborted) error.value = reason.message;
    } finally {
      if (!signal.aborted) isStreaming.value = false;
    }
  }

  // Ends the upstream's request too, so a component that is gone costs nothing.
  function stop() {
    controller.abort();
    isStreaming.value = false;
  }

  onScopeDispose(stop);
  return { response, error, isStreaming, sendMessage, stop };
}
