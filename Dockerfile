# Tiltyard in a container: the servers under test run elsewhere (OLLAMA_BASE_URL, --server).
FROM python:3.13-slim
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN pip install --no-cache-dir . && useradd --create-home tiltyard && mkdir /data && chown tiltyard /data
USER tiltyard
WORKDIR /home/tiltyard
ENV TILTYARD_DATA_DIR=/data METRICS_HOST=0.0.0.0
VOLUME /data
EXPOSE 8000
ENTRYPOINT ["tiltyard"]
CMD ["--help"]
