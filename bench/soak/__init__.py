"""Hours under fire, and whether everything was told and nothing was left: ``python -m bench.soak soak | storm | kill``.

- `errands` says what each client asks for and what goes wrong with it, out of a seed and a number; `expected` what may
  come of that;
- `upstream`, a process of its own, plays the `script` of an errand; `client` and `returning` play the client, and
  `reading` compares what came with what the upstream had to say;
- `watched` is ``sse-proxy serve`` that can be looked into; `census` counts what it has, from inside and outside;
- `books` holds clients, log and metrics against each other;
- `soak`, `storm` and `kill` are the three runs, `disturbances` what happens to all in the first; `page` their page.
"""
