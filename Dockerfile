# A few files of JavaScript on a base without shell or package manager.
# The bases are arguments so that a mirror, or another build of the same base, can take their place.
ARG BUILD_IMAGE=docker.io/library/node:24.21.0-trixie-slim@sha256:173f125896c3b47ddf056734c7ea789d04595a6a08769a8f78e0df642781fb66
ARG RUN_IMAGE=gcr.io/distroless/nodejs24-debian13:nonroot@sha256:9eeb7f5887d0e239e78264b06f7f11d2e14be534050481803a9e4728fcdd278e

FROM ${BUILD_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
# esbuild and the packages it bundles are development packages. No package gets to run code of its own here.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY secrets/ secrets/
COPY server/ server/
# By the base's own Node: the one from the lockfile serves hosts that have none.
RUN node server/build.ts

FROM ${RUN_IMAGE}
LABEL org.opencontainers.image.title="whatsapp-mcp" \
      org.opencontainers.image.description="WhatsApp for AI agents: Meta's Cloud API on one side, MCP clients on the other" \
      org.opencontainers.image.licenses="MIT"
WORKDIR /app
COPY --from=build /build/dist/*.js /app/
# By number: Kubernetes and Docker can then tell that it is not root without asking the image's user list.
USER 65532:65532
ENV NODE_ENV=production APP_BIND=0.0.0.0 APP_HTTP_PORT=3000
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["/nodejs/bin/node", "/app/server.js", "healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/nodejs/bin/node"]
CMD ["/app/server.js"]
