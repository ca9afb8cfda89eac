# What the images of all services have in common; a test holds each services/*/Dockerfile to it, line by line and in
# this order, with @SERVICE@ replaced. A service may add lines of its own between these.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
COPY requirements/images/build.txt requirements/images/@SERVICE@.txt requirements/
RUN pip install --no-cache-dir --no-deps --require-hashes --requirement requirements/build.txt
RUN python -m venv /opt/beffroi && /opt/beffroi/bin/pip install --no-cache-dir --no-deps --require-hashes --requirement requirements/@SERVICE@.txt
COPY libs/common libs/common
COPY services/@SERVICE@ services/@SERVICE@
RUN pip wheel --no-index --no-deps --no-build-isolation --wheel-dir wheels libs/common services/@SERVICE@
RUN /opt/beffroi/bin/pip install --no-cache-dir --no-index --no-deps wheels/*
FROM ${PYTHON_IMAGE}
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
COPY --from=build /opt/beffroi /opt/beffroi
WORKDIR /tmp
USER 10001:10001
ENTRYPOINT ["/opt/beffroi/bin/python"]
