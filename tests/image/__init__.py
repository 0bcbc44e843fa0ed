"""The image really built and run, as root, without Docker: ``python -m tests.image`` (``make image-shows``).

`bases` makes the two base images out of the distribution's packages, `build` builds the Dockerfile on them with
buildah, and `run` starts what came out as a container would: another root, read-only, user 65532, no capability.
``__main__`` looks at it and writes docs/container.md.
"""
