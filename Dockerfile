# Build apart, so that the image carries no compiler, installer or cache. Sizes: docs/decisions/0014-image-size.md.
FROM python:3.12-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends binutils=2.40-2 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/crmsync && /opt/crmsync/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY .ci/trim-image /usr/local/bin/
COPY crmsync crmsync
RUN /opt/crmsync/bin/pip install --no-cache-dir --no-deps --no-build-isolation . && trim-image /opt/crmsync

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
# Run with --read-only: only the volume is ever written.
VOLUME ["/var/lib/crmsync"]
EXPOSE 8321
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('CRMSYNC_WEB__PORT', '8321') + '/healthz', timeout=4)"]
ENTRYPOINT ["crmsync"]
CMD ["run"]
