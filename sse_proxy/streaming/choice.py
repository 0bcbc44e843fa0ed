"""How a response body is treated, by what was asked for and what the upstream's head says."""

from __future__ import annotations

from ..core.dialects import dialect_of_head
from ..core.framers import Framing
from ..core.headers import HeaderList, first, media_type
from ..core.sniff import framing_of_media_type, is_record_stream
from .kept import KeptBody
from .plain import Body, PlainBody
from .transfer import Transfer
from .unclear import LateBody, SniffedBody

__all__ = ["open_body"]


async def open_body(transfer: Transfer, method: str, status: int, headers: HeaderList) -> Body:
    """The treatment of the body behind this head; the head is passed on where nothing can change it any more.

    Only stream candidates are looked into (DESIGN fact 16), and only 2xx: an error answer is the client's to read.
    """
    client = transfer.client
    await client.settled()
    begun = client.status is not None
    if begun and transfer.facts.awaits_json:
        return KeptBody(transfer, status, headers)
    success = 200 <= status < 300 and method != "HEAD"
    has_body = success and status not in {204, 205}
    if begun and not has_body:
        return LateBody(transfer, status, headers)
    told = dialect_of_head(headers) if has_body else None
    if begun or (success and _concerns(transfer, headers, has_body=has_body, told=told is not None)):
        if not begun and transfer.policy.terms.dialect is None and told is not None:
            transfer.speaks(told)
        return await SniffedBody(transfer, status, headers).open()
    return await PlainBody(transfer, status, headers).open()


def _concerns(transfer: Transfer, headers: HeaderList, *, has_body: bool, told: bool) -> bool:
    """Whether a 2xx response is, or may be, a stream; *told*: its head says whose, so that nobody has to ask for it."""
    framing = framing_of_media_type(media_type(first(headers, b"content-type")))
    reframe = transfer.policy.reframe
    if has_body and (framing is Framing.SSE or (reframe == "always" and is_record_stream(headers))):
        return True
    # No content at all is looked at too: SDKs take a 204 for a stream that was whole, and empty.
    return (told or transfer.facts.candidate) and reframe != "never"
