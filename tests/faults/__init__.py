"""Faults × kinds of exchange, in front of the real proxy: the tables of ``docs/reliability.md``.

    *_faults, process_worlds   the rows, as data: what the upstream and the client do (`steps`), which proxy (`worlds`)
    expect                     the rules: what has to come of it, by the names of `sse_proxy.errors`
    driver, run                plays them: `upstream`, `client` and `relay` are the two ends and what is between
    judge, words, page         compares, and shows; `reasons` say which cells make no sense

`tests.test_faults` asserts that every cell is as expected; `peers` puts the same to nginx and Envoy, for the page.
"""
