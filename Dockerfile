# The code is run as it lies in the checkout; only the dependencies are installed, pinned by hash.
FROM python:3.12-slim
LABEL org.opencontainers.image.title="webpush-gateway" org.opencontainers.image.licenses="MIT"
WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY gateway gateway
COPY storage storage
COPY static static
RUN python -m compileall -q gateway storage \
    && useradd --system --uid 10001 --home-dir /data gateway \
    && install -d -o gateway -g gateway /data
ENV PYTHONUNBUFFERED=1 GATEWAY_HOST=0.0.0.0 GATEWAY_PORT=8080 GATEWAY_DATA_DIR=/data
USER gateway
VOLUME /data
EXPOSE 8080
# Start it with --ulimit nofile=65536:65536: the gateway budgets its connections by that limit (docs/operations.md).
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:%s/readyz' % os.environ['GATEWAY_PORT'], timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m", "gateway"]
CMD ["serve"]
