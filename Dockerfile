# gcr-migrate as an image, for schedulers that run images: docker build -t IMAGE .
#
# Tried: each step is run in an empty folder by tests/runs/test_image.py, with the Python of the
# machine. Not tried: the image itself was never built. Name the base by its digest if your rules
# ask for that.

FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
# What it stands on, by hashes; this layer changes only with the lock.
COPY image.lock ./
RUN python -m venv /opt/gcr-migrate \
    && /opt/gcr-migrate/bin/python -m pip install --require-hashes -r image.lock
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY plans ./plans
COPY gcr_migrate ./gcr_migrate
# What only builds is not needed afterwards.
RUN /opt/gcr-migrate/bin/python -m pip install --no-deps --no-build-isolation . \
    && /opt/gcr-migrate/bin/python -m pip uninstall --yes hatchling setuptools pip

FROM python:3.11-slim
COPY --from=build /opt/gcr-migrate /opt/gcr-migrate
ENV PATH=/opt/gcr-migrate/bin:$PATH PYTHONUNBUFFERED=1 HOME=/work
WORKDIR /work
# Nobody in particular: it writes only into what is mounted at /work.
USER 10001:10001
ENTRYPOINT ["gcr-migrate"]
CMD ["--help"]
