"""Whether the event loop lags so much that new streams would only make it worse for all.

One loop carries every stream, so its lag is what each token waits, and there is no queue to look at instead. The
thresholds are no setting: they say when a stream of tokens has stopped to look like one (a second, some forty tokens),
and what a loop with room to spare never shows, not even beside a neighbour that takes most of the machine for a while.
A single long step, a garbage collection or a machine that was put to sleep, is over by the time that it is seen: it
takes two looks, and some seconds, to be believed.
"""

from __future__ import annotations

__all__ = ["CALM_SECONDS", "HIGH_LAG_SECONDS", "LOW_LAG_SECONDS", "SUSTAINED_SECONDS", "LagGuard"]

#: From here on the loop is too late, and from there on (downwards) it has caught up.
HIGH_LAG_SECONDS, LOW_LAG_SECONDS = 1.0, 0.25
#: For how long it has to be late before anybody is refused, and in time before they are let in again.
SUSTAINED_SECONDS, CALM_SECONDS = 5.0, 3.0


class LagGuard:
    """Decides by samples of the lag.

    Attributes:
        refuses: No new stream is let in now.
    """

    __slots__ = ("_since", "refuses")

    def __init__(self) -> None:
        self.refuses = False
        #: Since when the lag speaks against `refuses`; None while it does not.
        self._since: float | None = None

    def sample(self, lag_seconds: float, now: float) -> bool:
        """Take note that at *now* (monotonic seconds) a timer was *lag_seconds* late; returns whether that changed it.

        Between the thresholds all stays as it is: a timer falls anywhere into a step of a busy loop, so what it says
        is anything between nothing and the step's length.
        """
        is_high, is_low = lag_seconds >= HIGH_LAG_SECONDS, lag_seconds < LOW_LAG_SECONDS
        if is_high if self.refuses else is_low:
            self._since = None
        if not (is_low if self.refuses else is_high):
            return False
        if self._since is None:
            self._since = now - lag_seconds  # so long it was late already
            return False
        if now - self._since < (CALM_SECONDS if self.refuses else SUSTAINED_SECONDS):
            return False
        self.refuses = not self.refuses
        self._since = None
        return True
