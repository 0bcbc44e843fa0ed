"""The charts, and `generator`, which keeps their schemas, READMEs and settings in step with the proxy."""
