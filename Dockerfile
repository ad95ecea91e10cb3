FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY bin bin
COPY gen gen
COPY src src

FROM node:24-bookworm-slim
ENV NODE_ENV=production UV_THREADPOOL_SIZE=16 MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=1048576 GLIBC_TUNABLES=glibc.malloc.tcache_count=500 NODE_COMPILE_CACHE=/app/.runtime/compile-cache
WORKDIR /app
COPY --from=build /app /app
# Any non-root user will do; Tempo's images run as 10001 and keep their data in /var/tempo.
RUN mkdir -p /var/tempo && chown 10001:10001 /var/tempo
# Fills the compile cache, which the user of the image can read but not write.
RUN node src/main.ts -version && node src/main.ts -config.verify
USER 10001:10001
VOLUME /var/tempo
EXPOSE 3200 4317 4318 9095
HEALTHCHECK --interval=10s --timeout=6s --start-period=20s \
  CMD ["node", "src/main.ts", "-health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "--max-semi-space-size=1", "src/main.ts"]
CMD ["-config.file=/etc/tempo.yaml"]
