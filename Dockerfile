# Build the wheels apart, so that the image carries no compiler and no cache.
FROM python:3.12-slim-bookworm AS build
WORKDIR /src
COPY requirements.lock pyproject.toml README.md LICENSE ./
COPY crmsync crmsync
RUN python -m venv /opt/crmsync \
    && /opt/crmsync/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
    && /opt/crmsync/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/crmsync/bin/pip uninstall -y pip setuptools \
    && find /opt/crmsync -name '__pycache__' -prune -exec rm -rf {} +

FROM python:3.12-slim-bookworm
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin crmsync \
    && install -d -o crmsync -g crmsync /var/lib/crmsync /etc/crmsync
COPY --from=build /opt/crmsync /opt/crmsync
COPY config/crmsync.toml config/definition.yaml /etc/crmsync/
ENV PATH=/opt/crmsync/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CRMSYNC_CONFIG=/etc/crmsync/crmsync.toml \
    CRMSYNC_DEFINITION__PATH=/etc/crmsync/definition.yaml \
    CRMSYNC_STORE__URL=sqlite:////var/lib/crmsync/crmsync.db
USER 10001
WORKDIR /var/lib/crmsync
# Run with --read-only: only the volume (and /tmp, if it is a tmpfs) is ever written.
VOLUME ["/var/lib/crmsync"]
EXPOSE 8321
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8321/healthz', timeout=4)"]
ENTRYPOINT ["crmsync"]
CMD ["run"]
