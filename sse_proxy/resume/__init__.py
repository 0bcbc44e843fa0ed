"""Streams that outlive a connection (INTERFACE "Resume"): recorded on their way out, replayed to whoever comes back."""
