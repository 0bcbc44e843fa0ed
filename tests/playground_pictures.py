"""Draws the pictures of docs/playground.md: the page of a real ``sse-proxy demo`` in a real Chromium.

``make playground-pictures``, or ``python -m tests.playground_pictures [DIRECTORY OF FONTS]``: the mock's answer has
letters that a server's own fonts lack.
"""

from __future__ import annotations

import asyncio
import os
import struct
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from .playground_browser import DESKTOP, PHONE, Driver, Page, demo, driving

__all__: list[str] = []

_PICTURES = Path(__file__).parent.parent / "docs" / "playground"
_FONTS = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><include ignore_missing="yes">/etc/fonts/fonts.conf</include><dir>{}</dir></fontconfig>
"""


async def wrong_line_ends(driver: Driver, url: str) -> None:
    """One line end where there should be two: the reader on the left finds nothing."""
    page = await _open(driver, url)
    await page.run(defect="single_newline")
    await _settled(page)
    await _draw(page, "wrong-line-ends.png")


async def resumed(driver: Driver, url: str) -> None:
    """A line that was cut, in the dark."""
    page = await _open(driver, url, scheme="dark")
    await page.run(to_the_end=False, prefill="3", tokens="48")
    await page.cut_after(20)
    await page.done()
    await _settled(page)
    await _draw(page, "cut-and-resumed.png")


async def on_a_phone(driver: Driver, url: str) -> None:
    """A server that dies, at the width of a phone."""
    page = await _open(driver, url, size=PHONE)
    await page.run(prefill="4.5", fate="die_after")
    await _settled(page)
    await _draw(page, "phone.png")


async def _open(driver: Driver, url: str, *, size: tuple[int, int] = DESKTOP, scheme: str = "light") -> Page:
    page = await driver.page(url, size=size, scheme=scheme)
    await page.until("return document.body.dataset.ready")
    return page


async def _settled(page: Page) -> None:
    """Return when the proxy and the upstream have told what became of the run, and nothing has the focus."""
    for lane in ("upstream", "proxy"):
        told = "return /upstream (sent|noticed|died)/.test(document.querySelector(`#lane-${given} .after`).textContent)"
        await page.until(told, lane)
    await page.until("return document.querySelector('#lane-proxy').dataset.outcome")
    await page.value("document.activeElement.blur()")


async def _draw(page: Page, name: str) -> None:
    path = _PICTURES / name
    await page.do("shot", path=str(path), selector="#lane-proxy")
    path.write_bytes(_smaller(path.read_bytes()))
    await page.close()


def _smaller(png: bytes) -> bytes:
    """*png* with its pixels compressed as well as zlib can (PNG § 10), which a browser has no time for."""
    chunks = list(_chunks(png))
    pixels = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
    kept = [(kind, data) for kind, data in chunks if kind in {b"IHDR", b"IEND"}]
    written = [kept[0], (b"IDAT", zlib.compress(pixels, 9)), kept[1]]
    return png[:8] + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in written
    )


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 8
    while position < len(png):
        [size] = struct.unpack_from(">I", png, position)
        yield png[position + 4 : position + 8], png[position + 8 : position + 8 + size]
        position += size + 12


async def _all() -> None:
    _PICTURES.mkdir(parents=True, exist_ok=True)
    async with demo() as url, driving() as driver:
        for picture in (wrong_line_ends, resumed, on_a_phone):
            await picture(driver, url)


def main() -> None:
    """Draw all of them."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as fonts:
        if sys.argv[1:]:
            fonts.write(_FONTS.format(Path(sys.argv[1]).resolve()))
            fonts.flush()
            os.environ["FONTCONFIG_FILE"] = fonts.name
        asyncio.run(_all())


if __name__ == "__main__":
    main()
