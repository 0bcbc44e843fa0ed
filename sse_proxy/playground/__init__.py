"""The page at ``/-/sse-proxy/``: one stream twice, as the upstream sends it and as the proxy does, side by side.

`endpoint` answers for the reserved name, `shell` holds the page's files, `lanes` asks for the streams that it shows,
`hop` is the hop that buffers, `figures` and `ended` tell what the process did.
"""

from __future__ import annotations

from .endpoint import MAX_LANES, MAX_LANES_PER_CLIENT, Playground

__all__ = ["MAX_LANES", "MAX_LANES_PER_CLIENT", "Playground"]
