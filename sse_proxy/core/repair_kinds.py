"""What is repaired in malformed streams, by the names that ``sse_proxy_repairs_total`` counts it under.

The names are given where the repairs are made; this is what each means. A test compares the two.
"""

from __future__ import annotations

__all__ = ["REPAIR_KINDS"]

#: Kind → what the upstream sent, and what the client gets.
REPAIR_KINDS = {
    "bare_error": "An error object without the ``error`` around it (old vLLM): it is put there.",
    "bare_json": "A JSON document without ``data:`` in front of it: it becomes an event.",
    "bom": "A U+FEFF at the beginning, which would spoil the first field: dropped.",
    "comment_in_data": "A comment inside of a data field (``data: : keep-alive``): dropped.",
    "concatenated_json": "Several JSON documents in one event: an event each.",
    "content_type": "Events under another Content-Type: it becomes ``text/event-stream``.",
    "double_data": "``data: data: …``, as proxies of proxies write it: once.",
    "empty_data": "An event with empty data in an API that has none: dropped.",
    "error_field": "An error in a field ``error:`` that no client reads (llama-server before 2025-10): becomes data.",
    "extra_blank_lines": "More than one blank line between two events: one.",
    "invalid_utf8": "Bytes that are no UTF-8: U+FFFD.",
    "line_endings": "CR or CRLF in place of LF: LF.",
    "line_separators": "U+2028, U+2029 or U+0085, at which some clients break lines: escaped in the JSON.",
    "literal_newlines": "Raw line feeds within a JSON string: escaped.",
    "missing_event_type": "An API that names its events, and one without a name: the name that its payload tells.",
    "missing_fields": "Data without any ``data:`` under ``text/event-stream``: each document becomes an event.",
    "missing_final_blank_line": "A last event without the blank line that dispatches it: added.",
    "missing_space": "``data:x`` in place of ``data: x``, which some clients need: added.",
    "missing_terminator": "A whole answer without the terminator of its API (``[DONE]``): added.",
    "multi_line_data": "JSON over several data lines: one line.",
    "single_json": "One JSON document where a stream was asked for: told as the API's events.",
    "single_newline": "No blank line between two events: added.",
    "split_json": "One JSON document over several events: one event.",
    "white_space": "White space around a payload: dropped.",
}
