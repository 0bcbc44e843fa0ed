"""Streams and processes as a person wants to see them: what ``sse-proxy tail`` and ``sse-proxy top`` show.

    marks ─┬─ decoder (meaning, comments)   bytes and times in, marks and a verdict out
           ├─ tally                         marks in, a summary out
           └─ view: human, machine          marks and summary as text or as JSON
    totals ── table                         ``/metrics`` and ``/-/streams`` in, lines out
    following ── sending · admin            what opens connections: to a stream, to an admin port

But for the last line all is pure: time is an argument. What a stream sends is a stranger's: it reaches a terminal only
through `words.printable`, so that no escape sequence of its does.
"""
