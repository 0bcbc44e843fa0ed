"""The correct path's reading half: each record repaired, understood and counted, before anything is told of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from ..errors import UpstreamProtocolError
from .dialects import GENERIC, Dialect, StreamState, dialect_of_first_event
from .dialects.state import JSONObject
from .documents import json_object
from .framers.base import Framing
from .mending import Mender
from .repair import is_plain_object, repair_payload
from .sse import Event, is_complete_json

__all__ = ["Reader"]

#: JSON of this size is rarely worth parsing on the event loop; terminal events of Responses are still below it.
_MAX_PARSED_BYTES = 8_388_608
#: What can be the type of an event of an API that names its events.
_NAME = re.compile(r"[A-Za-z][\w.-]*", re.ASCII)


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
        recognises: No payload has come yet by which the dialect could be told.
        began_with_error: The very first event was the upstream's error, so that a status can still tell of it.
    """

    __slots__ = (
        "_foreseen", "_json", "_mender", "_only_objects", "_state", "began_with_error", "dialect", "events",
        "recognises",
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
        self.recognises = recognises and dialect is GENERIC
        self._only_objects = only_objects
        #: What `foresees` has looked at.
        self._foreseen = b""

    def read(self, record: Event) -> Iterator[tuple[Event, JSONObject, bool]]:
        """The payload events that *record* stands for, each with its JSON object ({} for none), folded into the state.

        The third value tells that the upstream had told an error before.

        Raises:
            UpstreamProtocolError: the payload cannot be what the dialect says, or a part of it is lost.
            EventTooLarge: the parts of an event are too much together.
        """
        if self.recognises:
            self._recognise(record)
        event = self._unpacked(record)
        plain = self._plain(event)
        if plain is not None:
            yield from self._taken(event, plain)
            return
        for repaired in self._repaired(event):
            if not self.dialect.is_ping(repaired):
                for whole in self._expanded(repaired):
                    yield from self._taken(whole, self._payload(whole))

    def foresees(self, pending: Event | None) -> bool:
        """Whether an event that is not complete has just told the dialect: its next line may be the next event's."""
        if not self.recognises or pending is None or pending.data is self._foreseen:
            return False
        self._foreseen = pending.data
        payload = json_object(pending.data)
        found = None if payload is None else dialect_of_first_event(pending, payload)
        if found is None or not found.json:
            return False
        self.recognises = False
        self.dialect, self._json = found, True
        return True

    def passed(self, chunk: bytes, events: int) -> None:
        """Count the *events* of *chunk*, which nobody has looked into."""
        self.events += events
        if self.dialect.keeps is not None:
            self._keep(chunk)

    @property
    def may_look_away(self) -> bool:
        """Whether whole events without a marker may pass unseen.

        The first one never does, nor any by which the dialect is told; nor do those of several answers.
        """
        state, dialect = self._state, self.dialect
        one_answer = state.choices == 1 or not dialect.parallel
        marked = dialect.framing is Framing.SSE and not dialect.only_data
        return state.started and one_answer and marked and not (self.recognises or self.holding)

    @property
    def holding(self) -> bool:
        """Whether a part of an event is held whose rest is still to come."""
        return self._mender is not None and self._mender.holding

    @property
    def held_bytes(self) -> int:
        """How much of an event is held whose rest is still to come."""
        return 0 if self._mender is None else self._mender.bytes

    def is_whole(self, event: Event) -> bool:
        """Whether *event*, which the end of the body has closed, can be all of itself, or the rest of what is held."""
        return self.holding or not self._json or all(map(is_complete_json, repair_payload(event.data, {})))

    def _recognise(self, record: Event) -> None:
        """Tell the dialect by the first payload, which may be as malformed as any."""
        payload = next(iter(repair_payload(record.data, {})), None)
        if payload is None:
            return
        self.recognises = False
        found = dialect_of_first_event(replace(record, data=payload), _parse(payload) or {})
        if found is not None:
            self.dialect = found
            self._json = found.json

    def _unpacked(self, record: Event) -> Event:
        event = self.dialect.unpack(record)
        return Event(data=event.data) if self.dialect.only_data else event

    def _plain(self, event: Event) -> JSONObject | None:
        """The object of *event* where it is whole and needs no repair, as nearly all do: so it is parsed but once."""
        if not (self._json and self._state.started) or self.holding or len(event.data) > _MAX_PARSED_BYTES:
            return None
        return json_object(event.data) if is_plain_object(event.data) else None

    def _repaired(self, event: Event) -> list[Event]:
        if not self._json:
            return [event]
        if self._mender is not None:
            return self._mender.feed(event)
        # What is only watched is understood as far as it can be, and never held.
        return [replace(event, data=payload) for payload in repair_payload(event.data, {})]

    def _taken(self, event: Event, payload: JSONObject) -> Iterator[tuple[Event, JSONObject, bool]]:
        named = self._named(event, payload)
        if not self.dialect.is_ping(named):
            failed = self._state.error is not None
            self._fold(named, payload)
            if payload and self.dialect.hides_done and b"[DONE]" in named.data:
                named = replace(named, data=named.data.replace(b"[DONE]", rb"\u005bDONE]"))
            yield named, payload, failed

    def _payload(self, event: Event) -> JSONObject:
        if not self._json:
            return {}
        payload = _parse(event.data)
        if payload is None and self._only_objects and event.data != b"[DONE]":
            raise UpstreamProtocolError("the upstream answered with something else than the API's events")
        return payload or {}

    def _expanded(self, event: Event) -> list[Event]:
        """*event*, or the events of a stream where it is a whole answer in one document."""
        if self._mender is None or self._state.started or not self._json:
            return [event]
        events = self.dialect.from_document(_parse(event.data) or {})
        if events is None:
            return [event]
        self._mender.count("single_json")
        return events

    def _named(self, event: Event, payload: JSONObject) -> Event:
        """*event* with its type, where the API's clients go by that and the server has left it to the payload."""
        kind = payload.get("type")
        if self._mender is None or event.event or not (self.dialect.names_events and isinstance(kind, str)):
            return event
        if not _NAME.fullmatch(kind):
            return event
        self._mender.count("missing_event_type")
        return replace(event, event=kind.encode())

    def _fold(self, event: Event, payload: JSONObject) -> None:
        self.events += 1
        state = self._state
        if event.id is not None:
            state.has_ids = True
        self._keep(event.data)
        self.dialect.inspect(event, payload, state)
        if not state.started:
            state.started = True
            self.began_with_error = state.error is not None

    def _keep(self, passed: bytes) -> None:
        wanted = self.dialect.keeps
        if wanted is not None and wanted.search(passed):
            self._state.last = passed


def _parse(data: bytes) -> JSONObject | None:
    """The object that *data* is, {} for one that is too large to be parsed; None for anything else."""
    if not data.startswith(b"{"):
        return None
    return {} if len(data) > _MAX_PARSED_BYTES else json_object(data)
