"""A real llama-server with a real model behind the proxy, driven by the official SDKs (`make e2e-llm`)."""
