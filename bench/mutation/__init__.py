"""Mutation testing of ``sse_proxy/core/``: what of it could be wrong without a test that says so (docs/mutation.md)."""
