"""What resume promises, shown on whole servers: ``python -m bench.resume cost | roam | finished``, then ``page``.

- `cost`: CPU an event and memory a stream, of streams that are kept beside streams that are not (`variants`);
- `roam`: clients (`roamer`, each with a `ledger`) that change replicas all the time, alone and under each of `faults`;
- `finished`: what is left of ten thousand streams after their time;
- `store` is a real redis-server, `fleet` some replicas on it, on cores that `places` tells;
- `tables` makes Markdown of the figures, `page` the page of all three.

The upstream, the load and what /proc tells are those of the rest of `bench`.
"""
