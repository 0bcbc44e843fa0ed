"""Numbers in the units of panels, about as Grafana writes them."""

from __future__ import annotations

__all__ = ["shown"]

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")
_DECIMAL = ("B/s", "kB/s", "MB/s", "GB/s", "TB/s")


def shown(value: float, unit: str) -> str:
    """*value* with three digits and the sign of *unit* (Grafana's ids: ``s``, ``percentunit``, ``bytes``, ``Bps``)."""
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "s":
        return _seconds(value)
    if unit == "bytes":
        return _scaled(value, _BINARY, 1024.0)
    if unit == "Bps":
        return _scaled(value, _DECIMAL, 1000.0)
    return f"{value:.3g}"


def _seconds(value: float) -> str:
    if value and value < 0.001:
        return f"{value * 1e6:.3g} µs"
    if value and value < 1:
        return f"{value * 1e3:.3g} ms"
    return f"{value:.3g} s" if value < 100 else f"{value / 60:.3g} min"


def _scaled(value: float, names: tuple[str, ...], factor: float) -> str:
    power = 0
    while abs(value) >= factor and power < len(names) - 1:
        value, power = value / factor, power + 1
    return f"{value:.3g} {names[power]}"
