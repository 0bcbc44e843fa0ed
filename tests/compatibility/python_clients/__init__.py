"""The Python clients of the matrix, one module a package: ``CALLS`` tells by name what yields the texts of one answer.

Written as their users write: what a loop around a parser would be, where the package is only a parser; whatever the
client raises passes. `..drive_python` runs them in a process of its own, and imports nothing but the one module.
"""
