# videomae on the CPU. Build it in a checkout of the repository:
#
#   docker build -f examples/docker/cpu.Dockerfile -t videomae .
#   docker run --rm --shm-size=1g --user "$(id -u):$(id -g)" -v "$PWD:/work" videomae pretrain videos --out checkpoints/encoder
#
# `npm pack` compiles the kernels of the engine native, so the image needs no compiler. --shm-size: see docs/video.md.
FROM node:22-bookworm AS build
WORKDIR /source
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm pack --pack-destination /tmp

FROM node:22-bookworm-slim
COPY --from=build /tmp/videomae-*.tgz /tmp/videomae.tgz
RUN npm install --global --ignore-scripts /tmp/videomae.tgz && rm /tmp/videomae.tgz
# Any user may run the image: the caches lie where everybody can write.
ENV HOME=/tmp
WORKDIR /work
ENTRYPOINT ["videomae"]
CMD ["--help"]
