"""What a streaming proxy costs: `python -m bench run` measures ours beside its peers, `python -m bench page` tells it.

Some modules are scripts of their own (`event_cost`, `pipeline_cost`, `upstream_client`, …), each for one part of the
proxy alone. The rest is the benchmark of whole servers:

- `upstream` is an LLM server that has only `events` to write, a process of its own;
- `load` opens streams (`client`, `response`) and meters what arrives (`meter`);
- `peers` has a row for each server under test, `servers` starts and ends it on a core of its own, `processes` reads
  what it costs from /proc;
- `plan` says what is measured, `scenarios` how, `run` in which order;
- `report` makes the page and the plots out of the results alone.

`resume` is a benchmark of its own with the same parts: what streams cost that are kept, and what becomes of them.
`soak` runs for hours under faults, with thousands of streams, and through kills, and finds out what is lost or left.
`mutation` judges the tests of the core by changes that they should notice.
`observability` makes the dashboard, and shows it and the alert rules at work under a real Prometheus.

Traffic goes to 127.0.0.1 only.
"""
