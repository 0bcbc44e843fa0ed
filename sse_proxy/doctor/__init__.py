"""The doctor: asks a URL for a stream and says what is wrong with it, where, and what to change.

`observed` is what was seen of one answer, `asking` sees it, `reading` makes a `stream` of it, `probed` one of a probe.
The modules named ``judge_…`` find what is wrong, from observations alone; `hops` knows whose fault it may be.
`examination` decides what is asked in which order (`examined`: for what, and with what result), `report` tells it.
All but `asking` and `examination` are pure.
"""
