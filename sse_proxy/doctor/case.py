"""One answer with all that is known of it: what the judges get. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .hop import Hop
from .hops import is_nginx, recognised, seeming
from .observed import Answer, End
from .probed import Probed, probed_of
from .reading import read_stream
from .stream import Stream

__all__ = ["Case", "case_of"]

#: Bytes that came so shortly before the end of a response came with it, for all that a busy machine can tell.
_WITH_END_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """See the module header."""

    answer: Answer
    stream: Stream
    #: None where the answer is no probe's.
    probed: Probed | None
    #: Those that are known to be on the way.
    hops: tuple[Hop, ...]

    @property
    def is_cut(self) -> bool:
        """Whether the stream ended before it was through, and not by the doctor's or the proxy's own doing."""
        if self.answer.end is End.CUT:
            return True
        # Without framing nothing but the last event tells a cut from an end.
        return self.probed is not None and not self.probed.ended and self.answer.end in {End.CLOSED, End.COMPLETE}

    @property
    def silence(self) -> float:
        """Seconds without a byte before the end, as it was here: what was held back may have come with the end."""
        return self.answer.ended_at - self.answer.last_byte_at

    @property
    def held_to_end(self) -> float:
        """Seconds without a byte before those that came with the end; 0 where none did.

        A hop has held these back, as a rule: then nobody knows how long there had been none to hold back.
        """
        answer = self.answer
        if self.silence > _WITH_END_SECONDS:
            return 0.0
        times = [0.0, answer.head_at, *(read.at for read in answer.reads)]
        before = [at for at in times if answer.ended_at - at > _WITH_END_SECONDS]
        return times[len(before)] - before[-1] if before else 0.0


def case_of(answer: Answer) -> Case:
    """What is known of *answer*."""
    stream = read_stream(answer)
    probed = probed_of(stream)
    hops = recognised([*answer.headers, *(probed.headers if probed else ())])
    if probed is not None and not any(map(is_nginx, hops)) and _shows_nginx(answer, probed):
        hops.append(seeming("nginx"))
    return Case(answer=answer, stream=stream, probed=probed, hops=tuple(hops))


def _shows_nginx(answer: Answer, probed: Probed) -> bool:
    """Whether there is an nginx whose ``Server`` another hop has replaced.

    It takes ``X-Accel-Buffering`` away, and before 1.29.7 it speaks HTTP/1.0 to what is behind it by default.
    """
    sent = any(name == "x-accel-buffering" for name, _value in probed.answered)
    return probed.http_version == "1.0" or (sent and answer.header("x-accel-buffering") is None)
