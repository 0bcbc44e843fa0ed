"""The end of a pod, played on real processes: `sse-proxy serve` beside an LLM server that aborts on SIGTERM.

`kubelet` is the order of KEP-753 and of the kubelet's own code; `service` is what the cluster sees meanwhile; `streams`
are the clients; `play` lets one pod end in front of them; ``python -m tests.pod`` (``make pod-shows``) plays all of
`scenarios` with the default settings and writes the tables of docs/drain.md.
"""
