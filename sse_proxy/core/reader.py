"""The correct path's reading half: each record repaired, understood and counted, before anything is told of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..errors import UpstreamProtocolError
from .dialects import GENERIC, Dialect, StreamState, dialect_of_first_event
from .dialects.state import JSONObject
from .documents import json_object
from .mending import Mender
from .repair import repair_payload
from .sse import Event, is_complete_json

__all__ = ["Reader"]

#: JSON of this size is rarely worth parsing on the event loop; terminal events of Responses are still below it.
_MAX_PARSED_BYTES = 8_388_608


class Reader:
    """Folds one stream's records into its state.

    Args:
        dialect: What the upstream speaks.
        state: A fresh one.
        mender: Repairs payloads; None only watches.
        recognises: Whether the first event of a generic stream may tell the dialect.
        only_objects: A payload that is no JSON object is an error where the dialect has only those.

    Attributes:
        dialect: As the argument, or as the first event has told.
        events: Payload events so far.
        began_with_error: The very first event was the upstream's error, so that a status can still tell of it.
    """

    __slots__ = (
        "_json", "_mender", "_only_objects", "_recognises", "_state", "began_with_error", "dialect", "events",
    )  # fmt: skip

    def __init__(
        self,
        dialect: Dialect,
        state: StreamState,
        mender: Mender | None,
        *,
        recognises: bool,
        only_objects: bool,
    ) -> None:
        self.dialect = dialect
        self.events = 0
        self.began_with_error = False
        self._state = state
        self._mender = mender
        self._json = dialect.json
        self._recognises = recognises and dialect is GENERIC
        self._only_objects = only_objects

    def read(self, record: Event) -> Iterator[tuple[Event, JSONObject, bool]]:
        """The payload events that *record* stands for, each with its JSON object ({} for none), folded into the state.

        The third value tells that the upstream had told an error before.

        Raises:
            UpstreamProtocolError: the payload cannot be what the dialect says, or a part of it is lost.
            EventTooLarge: the parts of an event are too much together.
        """
        for event in self._repaired(self._unpacked(record)):
            if self._recognises and not self._state.started:
                self._recognise(event)
            if self.dialect.is_ping(event):
                continue
            for whole in self._expanded(event):
                failed = self._state.error is not None
                payload = _parse(whole.data) if self._json else {}
                if self._only_objects and self._json and not payload:
                    raise UpstreamProtocolError("the upstream answered with something else than the API's events")
                self._fold(whole, payload)
                yield whole, payload, failed

    def keep(self, passed: bytes) -> None:
        """Remember *passed*, events that nobody has looked into, where the dialect needs something of them."""
        wanted = self.dialect.keeps
        if wanted is not None and wanted.search(passed):
            self._state.last = passed

    @property
    def holding(self) -> bool:
        """Whether a part of an event is held whose rest is still to come."""
        return self._mender is not None and self._mender.holding

    def is_whole(self, event: Event) -> bool:
        """Whether *event*, which the end of the body has closed, can be all of itself, or the rest of what is held."""
        return self.holding or not self._json or all(map(is_complete_json, repair_payload(event.data, {})))

    def _recognise(self, first: Event) -> None:
        found = dialect_of_first_event(first, _parse(first.data))
        if found is not None:
            self.dialect = found
            self._json = found.json

    def _unpacked(self, record: Event) -> Event:
        event = self.dialect.unpack(record)
        return Event(data=event.data) if self.dialect.only_data else event

    def _repaired(self, event: Event) -> list[Event]:
        if not self._json:
            return [event]
        if self._mender is not None:
            return self._mender.feed(event)
        # What is only watched is understood as far as it can be, and never held.
        return [replace(event, data=payload) for payload in repair_payload(event.data, {})]

    def _expanded(self, event: Event) -> list[Event]:
        """*event*, or the events of a stream where it is a whole answer in one document."""
        if self._mender is None or self._state.started or not self._json:
            return [event]
        events = self.dialect.from_document(_parse(event.data))
        if events is None:
            return [event]
        self._mender.count("single_json")
        return events

    def _fold(self, event: Event, payload: JSONObject) -> None:
        self.events += 1
        state = self._state
        if event.id is not None:
            state.has_ids = True
        self.keep(event.data)
        self.dialect.inspect(event, payload, state)
        if not state.started:
            state.started = True
            self.began_with_error = state.error is not None


def _parse(data: bytes) -> JSONObject:
    if not data.startswith(b"{") or len(data) > _MAX_PARSED_BYTES:
        return {}
    return json_object(data) or {}
