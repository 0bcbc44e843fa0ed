"""How a response body is treated, by what was asked for and what the upstream's head says."""

from __future__ import annotations

from ..core.headers import HeaderList, first, media_type
from .bodies import Body, PlainBody, StreamBody
from .transfer import Transfer
from .unclear import LateBody, SniffedBody

__all__ = ["open_body"]


async def open_body(transfer: Transfer, method: str, status: int, headers: HeaderList) -> Body:
    """The treatment of the body behind this head; the head is passed on where nothing can change it any more.

    Only stream candidates are looked into (DESIGN fact 16), and only 2xx: an error answer is the client's to read.
    """
    client = transfer.client
    await client.settled()
    promised = client.status is not None
    success = 200 <= status < 300 and method != "HEAD"
    has_body = success and status not in {204, 205}
    if has_body and media_type(first(headers, b"content-type")) == "text/event-stream":
        return await StreamBody(transfer, status, headers).open()
    if promised and not has_body:
        return LateBody(transfer, status, headers)
    # No content at all is looked at too: SDKs take a 204 for a stream that was whole, and empty.
    if promised or (success and transfer.facts.candidate and transfer.policy.settings.reframe != "never"):
        return SniffedBody(transfer, status, headers)
    return await PlainBody(transfer, status, headers).open()
