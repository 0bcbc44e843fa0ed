# sse-proxy as an image: `docker build -t sse-proxy .`, or `buildah build --format docker -t sse-proxy .` (a health check is
# Docker's own idea, which OCI's format has no place for). docs/container.md tells how to run it.
#
# PYTHON_IMAGE builds: a Python of 3.11 or newer with pip. RUNTIME_IMAGE runs: the same Python at the same path, and nothing
# else; no shell, no package manager and no program but Python is used there. Pin both by digest where builds have to be
# repeatable: --build-arg PYTHON_IMAGE=python:3.13-slim@sha256:…
ARG PYTHON_IMAGE=python:3.13-slim
ARG RUNTIME_IMAGE=${PYTHON_IMAGE}


FROM ${PYTHON_IMAGE} AS build

WORKDIR /build

# Environments without pip of their own: the base's pip fills them, and the one that is shipped has none.
RUN python3 -m venv --without-pip /opt/sse-proxy \
    && python3 -m venv --without-pip /build/venv

# The dependencies first and by themselves: a change of the code leaves this layer alone. Every file has its hash in the
# lock, and nothing is compiled here, so that the build for another architecture needs no emulated compiler.
COPY requirements/image.lock requirements/build.lock requirements/
RUN python3 -m pip --python /opt/sse-proxy/bin/python3 install --no-cache-dir --no-compile --disable-pip-version-check \
        --require-hashes --only-binary :all: --requirement requirements/image.lock \
    && python3 -m pip --python /build/venv/bin/python3 install --no-cache-dir --disable-pip-version-check \
        --require-hashes --only-binary :all: --requirement requirements/build.lock

COPY pyproject.toml README.md LICENSE ./
COPY sse_proxy sse_proxy
RUN /build/venv/bin/python3 -m hatchling build --target wheel --directory dist \
    && python3 -m pip --python /opt/sse-proxy/bin/python3 install --no-cache-dir --no-compile --disable-pip-version-check \
        --no-index --no-deps dist/*.whl

# Bytecode, since a read-only file system keeps none, and without it each start compiles everything anew. Unchecked, as the
# sources never change here; their times, which differ from build to build, are then not looked at.
RUN /opt/sse-proxy/bin/python3 -m compileall -q --invalidation-mode unchecked-hash /opt/sse-proxy/lib


FROM ${RUNTIME_IMAGE}

ARG VERSION=""
ARG REVISION=""
ARG SOURCE=""
LABEL org.opencontainers.image.title="sse-proxy" \
      org.opencontainers.image.description="A streaming proxy for LLM servers" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"

# Root's, so that the process cannot change its own code.
COPY --from=build /opt/sse-proxy /opt/sse-proxy

# All addresses, IPv6 included where there is one: what publishes or hides the ports is outside of the container. No bytecode
# is written, since the root may be read-only. The log is complete, also when the process is killed.
ENV PATH=/opt/sse-proxy/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SSE_PROXY_HOST=:: \
    SSE_PROXY_PORT=7070 \
    SSE_PROXY_ADMIN_HOST=:: \
    SSE_PROXY_ADMIN_PORT=7071

EXPOSE 7070 7071

# A number, since Kubernetes' runAsNonRoot cannot tell what a name stands for.
USER 65532:65532

# The drain's first signal (docs/drain.md); some runtimes take another default.
STOPSIGNAL SIGTERM

HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["sse-proxy", "healthcheck"]

# No init in front: there are no child processes, and SIGTERM is handled.
ENTRYPOINT ["sse-proxy"]
CMD ["serve"]
