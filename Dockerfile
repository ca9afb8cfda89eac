# The images of all services, a target each. From the repository's root:
#   docker build --target ingest --tag beffroi/ingest:0.1.0 .
#   docker build --target detector --tag beffroi/detector:0.1.0 --build-context model=$(.venv/bin/python -m beffroi_prepare_model) .
# Each target names the distributions that it installs; a test compares them with what its service depends on.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
ARG NODE_IMAGE=node:24-bookworm-slim

# What every service is built with: the build back end, and the environment that its image carries.
FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
COPY requirements/images/build.txt requirements/
RUN pip install --no-cache-dir --no-deps --require-hashes --requirement requirements/build.txt
RUN python -m venv /opt/beffroi

# What every service runs in: no root, no shell to start. What is copied into it belongs to root, so no service can change it.
FROM ${PYTHON_IMAGE} AS run
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
WORKDIR /tmp
USER 10001:10001
ENTRYPOINT ["/opt/beffroi/bin/python"]

FROM build AS build-ingest
COPY requirements/images/ingest.txt requirements/
RUN /opt/beffroi/bin/pip install --no-cache-dir --no-deps --require-hashes --requirement requirements/ingest.txt
COPY libs/common libs/common
COPY services/ingest services/ingest
RUN pip wheel --no-index --no-deps --no-build-isolation --wheel-dir wheels libs/common services/ingest
RUN /opt/beffroi/bin/pip install --no-cache-dir --no-index --no-deps wheels/*

FROM run AS ingest
COPY --from=build-ingest /opt/beffroi /opt/beffroi
CMD ["-m", "beffroi_ingest"]

FROM build AS build-masker
COPY requirements/images/masker.txt requirements/
RUN /opt/beffroi/bin/pip install --no-cache-dir --no-deps --require-hashes --requirement requirements/masker.txt
COPY libs/common libs/common
COPY services/masker services/masker
RUN pip wheel --no-index --no-deps --no-build-isolation --wheel-dir wheels libs/common services/masker
RUN /opt/beffroi/bin/pip install --no-cache-dir --no-index --no-deps wheels/*

FROM run AS masker
COPY --from=build-masker /opt/beffroi /opt/beffroi
CMD ["-m", "beffroi_masker"]

FROM build AS build-recorder
COPY requirements/images/recorder.txt requirements/
RUN /opt/beffroi/bin/pip install --no-cache-dir --no-deps --require-hashes --requirement requirements/recorder.txt
COPY libs/common libs/common
COPY services/recorder services/recorder
RUN pip wheel --no-index --no-deps --no-build-isolation --wheel-dir wheels libs/common services/recorder
RUN /opt/beffroi/bin/pip install --no-cache-dir --no-index --no-deps wheels/*

FROM run AS recorder
COPY --from=build-recorder /opt/beffroi /opt/beffroi
CMD ["-m", "beffroi_recorder"]

FROM build AS build-detector
COPY requirements/images/detector.txt requirements/
RUN /opt/beffroi/bin/pip install --no-cache-dir --no-deps --require-hashes --requirement requirements/detector.txt
COPY libs/common libs/common
COPY libs/rules libs/rules
COPY services/detector services/detector
RUN pip wheel --no-index --no-deps --no-build-isolation --wheel-dir wheels libs/common libs/rules services/detector
RUN /opt/beffroi/bin/pip install --no-cache-dir --no-index --no-deps wheels/*

# Replaced by the build context of the same name; the model's files are not in this repository.
FROM scratch AS model

# Two programs: the workload names one, beffroi_detector.vision or beffroi_detector.rules.
FROM run AS detector
COPY --from=model manifest.json model.xml model.bin /opt/beffroi/model/
COPY --from=build-detector /opt/beffroi /opt/beffroi

FROM ${NODE_IMAGE} AS console
WORKDIR /src/services/api/console
COPY services/api/console/package.json services/api/console/package-lock.json services/api/console/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY services/api/openapi.json ../
COPY services/api/console ./
RUN npm run build

FROM build AS build-api
COPY requirements/images/api.txt requirements/
RUN /opt/beffroi/bin/pip install --no-cache-dir --no-deps --require-hashes --requirement requirements/api.txt
COPY libs/common libs/common
COPY libs/rules libs/rules
COPY services/api services/api
COPY --from=console /src/services/api/beffroi_api/static services/api/beffroi_api/static
RUN pip wheel --no-index --no-deps --no-build-isolation --wheel-dir wheels libs/common libs/rules services/api
RUN /opt/beffroi/bin/pip install --no-cache-dir --no-index --no-deps wheels/*

FROM run AS api
COPY --from=build-api /opt/beffroi /opt/beffroi
CMD ["-m", "beffroi_api"]
