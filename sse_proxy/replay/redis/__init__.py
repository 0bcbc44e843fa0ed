"""The journal in Redis (6.2 or newer) or Valkey, for any number of replicas; needs the extra ``[redis]``.

What stands there, all with a time to live from the first moment on (see `keys`; the scripts hold what is atomic):

    …:{<stream>}:meta     hash: owner, token, replica, head, last, end, stop
    …:{<stream>}:events   Redis stream: entry n-0 is the event n
    …:once:<hash>, …:chat:<hash>   the stream that an idempotency or chat key leads to
    …:replica:<id>        the process is alive; renewed every beat

One process has a `Writer` (what producers append, in few calls), a `Doorbell` (one pub/sub connection), a `Pulse` (what
is done every second, so that no lost message matters) and a `Link` (a bounded pool), however many streams and readers.
"""
