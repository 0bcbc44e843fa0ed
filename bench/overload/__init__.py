"""What overload does to a proxy and its clients: ``python -m bench.overload``, all on this machine, under 5 minutes.

- `capacity`: three times as much is asked for as the LLM server has slots for, with and without ``max_streams``;
- `fairness`: a greedy client beside a modest one, with and without ``max_streams_per_client``;
- `memory`: clients that do not read, and huge events, under several ``max_buffer_bytes``;
- `late`: a proxy that gets a tenth of a core, so that its event loop lags;
- `llm` is the LLM server, `asking` the clients, `proxy` the process under test, `page` what is written of it.
"""
