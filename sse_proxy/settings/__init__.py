"""Everything that users can set: the model, the way in from flags, environment and file, and what is risky."""

from __future__ import annotations

from .audit import audit, risks_at_start
from .load import ENV_PREFIX, Loaded, SettingsError, Source, load_settings
from .masking import mask, shown_url
from .model import FILE_ONLY, Settings
from .routes import Route

__all__ = [
    "ENV_PREFIX",
    "FILE_ONLY",
    "Loaded",
    "Route",
    "Settings",
    "SettingsError",
    "Source",
    "audit",
    "load_settings",
    "mask",
    "risks_at_start",
    "shown_url",
]
