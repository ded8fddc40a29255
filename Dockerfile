# Two images from one file: `sluice` (scheduler, worker, web view) and `sluice-spark` (a worker with spark-submit).
# Debian rather than Alpine: DuckDB's binary needs glibc.
ARG NODE_IMAGE=node:24.11-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
# `prepare` builds, and there is nothing to build before the sources are there
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts --no-audit --no-fund && rm -rf dist/tests

FROM ${NODE_IMAGE} AS sluice
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# what is read at run time and not compiled
COPY --from=build /app/scheduler/store/migrations ./scheduler/store/migrations
COPY --from=build /app/webserver/views ./webserver/views
COPY --from=build /app/webserver/public ./webserver/public
RUN ln -s /app/dist/cli/sluice.js /usr/local/bin/sluice && chmod +x dist/cli/sluice.js \
  && install -d -o node -g node /project /var/cache/sluice \
  && install -d -o node -g node -m 0700 /project/.sluice /var/tmp/sluice
# Python for `python` tasks; ca-certificates for object stores behind TLS
RUN apt-get update && apt-get install -y --no-install-recommends python3 ca-certificates tini \
  && rm -rf /var/lib/apt/lists/*
USER node
WORKDIR /project
# tini reaps what tasks leave behind and hands signals on, so that a worker drains on `docker stop`
ENTRYPOINT ["tini", "--", "sluice"]
CMD ["help"]

FROM sluice AS sluice-spark
ARG PYSPARK_VERSION=4.1.4
USER root
RUN apt-get update && apt-get install -y --no-install-recommends openjdk-17-jre-headless python3-pip procps \
  && pip install --no-cache-dir --break-system-packages "pyspark==${PYSPARK_VERSION}" \
  && rm -rf /var/lib/apt/lists/* \
  && install -d -o node -g node /var/cache/spark /var/cache/spark/ivy /var/cache/spark/local
ENV JAVA_HOME=/usr/lib/jvm/default-java
RUN ln -sfn "$(dirname "$(dirname "$(readlink -f "$(command -v java)")")")" /usr/lib/jvm/default-java
USER node
