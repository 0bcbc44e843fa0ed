"""Whether the event loop lags so much that new streams would only make it worse for all.

One loop carries every stream, so its lag is what each token waits, and there is no queue to look at instead. The
thresholds are no setting: they say when a stream of tokens has stopped to look like one (a second, some forty tokens),
and what a loop with room to spare never shows, not even beside a neighbour that takes most of the machine for a while.
A single long step, a garbage collection or a machine that was put to sleep, is over by the time that it is seen: what
it took says nothing about the time to come. So the time that counts is that between looks, without what the last one
was late: it takes three of them at least, none in time between them, and no long while without a late one.
"""

from __future__ import annotations

__all__ = ["CALM_SECONDS", "HIGH_LAG_SECONDS", "LOW_LAG_SECONDS", "SUSTAINED_SECONDS", "LagGuard"]

#: From here on the loop is too late, and from there on (downwards) it has caught up.
HIGH_LAG_SECONDS, LOW_LAG_SECONDS = 1.0, 0.25
#: For how long it has to be seen late before anybody is refused, and in time before they are let in again.
SUSTAINED_SECONDS, CALM_SECONDS = 5.0, 3.0


class LagGuard:
    """Decides by samples of the lag.

    Attributes:
        refuses: No new stream is let in now.
    """

    __slots__ = ("_last", "_since", "refuses")

    def __init__(self) -> None:
        self.refuses = False
        #: The first look that spoke against `refuses`, and the last of them; None while none does.
        self._since: float | None = None
        self._last = 0.0

    def sample(self, lag_seconds: float, now: float) -> bool:
        """Take note that at *now* (monotonic seconds) a timer was *lag_seconds* late; returns whether that changed it.

        Between the thresholds all stays as it is, for a while: a timer falls anywhere into a step of a busy loop, so
        what it says is anything between nothing and the step's length.
        """
        is_high, is_low = lag_seconds >= HIGH_LAG_SECONDS, lag_seconds < LOW_LAG_SECONDS
        due = now - lag_seconds
        if (is_high if self.refuses else is_low) or (not self.refuses and due - self._last >= SUSTAINED_SECONDS):
            self._since = None
        if not (is_low if self.refuses else is_high):
            return False
        self._last = now
        if self._since is None:
            self._since = now
            return False
        if due - self._since < (CALM_SECONDS if self.refuses else SUSTAINED_SECONDS):
            return False
        self.refuses = not self.refuses
        self._since = None
        return True
