# The pipeline, luigid and the one-shots of docker-compose.yml: one image, no secrets in it.

FROM python:3.12.14-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

WORKDIR /app
RUN python -m venv /opt/venv
COPY requirements.txt ./
RUN /opt/venv/bin/pip install --require-hashes -r requirements.txt
COPY pyproject.toml requirements.in README.md ./
COPY luigi_tasks ./luigi_tasks
COPY twin ./twin
# Editable, because the package finds dbt_project beside itself. Bytecode is made now: the running image is read-only.
RUN /opt/venv/bin/pip install --no-deps --no-build-isolation --editable . \
    && /opt/venv/bin/python -m compileall -q luigi_tasks twin

FROM python:3.12.14-slim-bookworm

RUN groupadd --gid 10001 draenei \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin draenei \
    && install -d -o draenei -g draenei -m 0750 /data /scheduler \
    && install -d -o draenei -g draenei -m 0755 /metrics

COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
COPY luigi.cfg ./
COPY dbt_project ./dbt_project
COPY deploy/schedule.py deploy/create_bucket.py deploy/create_reader.py deploy/luigid.cfg ./deploy/

ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 DRAENEI_HOME=/data

USER 10001:10001
CMD ["luigi", "--module", "luigi_tasks", "Collect"]
