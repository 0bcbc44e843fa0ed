"""Where resumable streams are kept (INTERFACE "Resume"): the `Journal` protocol, and its stores."""
