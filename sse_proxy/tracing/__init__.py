"""One span a request, for those who follow a request through several servers: `base.Trace` is what the data path tells.

Nothing here is on the way of an event. A trace is begun with its request and told everything else once, when the
client has the last byte: the same numbers that become metrics and a log line then. Off (`base.NullTracing`) it does
nothing but look whether a stream's request came with a sampled ``traceparent``, for the exemplar of its time to first
event. Importing imports no OpenTelemetry: `opening` does, when traces are asked for.

Whose child the span is: INTERFACE has ``traceparent`` go to the upstream untouched. So our span is a child of the
caller's, and what the upstream records is a child of the caller's as well, beside ours and not below it. That is less
than a proxy that puts its own id into the header could show, and costs one step of reading: the two lie in one trace
and overlap in time. What it buys: the header means the same with tracing on, off, sampled out or failing; the upstream
keeps its parent when our collector is down; and nothing is added to a request that was none of ours to change. As a
consequence our sampler decides about our span alone.

In somebody's application (`SSEMiddleware`) the span is the application's current one while the application runs, so
that its spans are children of ours. In the proxy it never is: connections that are made during a request and live on
would keep it, and give it to the log lines of other requests.

Departures from OpenTelemetry's conventions for HTTP: no ``url.path``, ``url.query``, ``server.address``,
``client.address`` or ``user_agent.original``, since a path may hold ids and names, and the rest tells of users.
``http.route`` takes their place where one is known. The span is the request's (SERVER), not one of a GenAI client; it
carries the GenAI attributes all the same, as gateways do, and of them those only that were seen: no prompt, no answer,
no id of either.
"""
