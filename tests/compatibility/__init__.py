"""Clients × what upstreams do to them, straight and through the proxy: the matrix of ``docs/compatibility.md``.

    clients × columns ──run──▶ answers ──verdicts──▶ cells ──page──▶ docs/compatibility.md

`tests.test_compatibility` asserts what the page promises, and that the page is what a run gives.
"""
