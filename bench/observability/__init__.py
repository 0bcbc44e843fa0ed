"""The dashboard, and the place where it and the alert rules are seen at work.

``python -m bench.observability dashboard`` writes the dashboard's JSON, ``pictures`` draws it for the documentation.

- `rows` has all rows, each in a `rows_…`; `panels` is what they consist of, `grafana` makes JSON of them;
- `lab` is a whole installation on this machine: proxies as processes, an `upstream` that has vLLM's metrics beside the
  demo's answers, and a real `prometheus` that scrapes all of them and evaluates the alert rules;
- `traffic` has a call for each way in which a stream ends and a client comes back; `scenario` makes all of them at once
  for the tests, `day` a mix that changes for the pictures;
- `picture` draws panels from what Prometheus has, numbers as `units` writes them.

The tests run the lab for seconds, the pictures for minutes. Traffic goes to 127.0.0.1 only.
"""
