"""The pure core: bytes, times and headers come in as arguments; bytes and decisions go out as values.

Nothing below this package imports asyncio, time, os, httpx or starlette; ``tests/test_layers.py`` holds it to that.
"""
