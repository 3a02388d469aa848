# Two stages, so that compilers never reach the image that runs.
FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/gateway
ENV PATH=/opt/gateway/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY storage storage
COPY static static
RUN pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.12-slim
LABEL org.opencontainers.image.title="webpush-gateway" org.opencontainers.image.licenses="MIT"
RUN useradd --system --uid 10001 --home-dir /data gateway && install -d -o gateway -g gateway /data
COPY --from=build /opt/gateway /opt/gateway
COPY static /opt/gateway/share/webpush-gateway/static
ENV PATH=/opt/gateway/bin:$PATH PYTHONUNBUFFERED=1 \
    GATEWAY_HOST=0.0.0.0 GATEWAY_PORT=8080 GATEWAY_DATA_DIR=/data
USER gateway
VOLUME /data
EXPOSE 8080
# Start with --ulimit nofile=65536:65536: the gateway budgets its connections by that limit (docs/operations.md).
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["webpush-gateway"]
CMD ["serve"]
