# videomae on an NVIDIA GPU. Build it in a checkout of the repository; running it needs the NVIDIA Container Toolkit:
#
#   docker build -f examples/docker/cuda.Dockerfile -t videomae:cuda .
#   docker run --rm --gpus all --shm-size=1g --user "$(id -u):$(id -g)" -v "$PWD:/work" videomae:cuda doctor
#   docker run --rm --gpus all --shm-size=1g --user "$(id -u):$(id -g)" -v "$PWD:/work" videomae:cuda \
#     pretrain videos --engine cuda --set engine.precision=bfloat16 --out checkpoints/encoder
#
# The base image has NVRTC and cuBLASLt; the toolkit brings the driver of the machine.
FROM node:22-bookworm AS build
WORKDIR /source
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm pack --pack-destination /tmp

FROM nvidia/cuda:12.6.3-runtime-ubuntu22.04
COPY --from=build /usr/local/bin/node /usr/local/bin/node
COPY --from=build /usr/local/lib/node_modules /usr/local/lib/node_modules
COPY --from=build /tmp/videomae-*.tgz /tmp/videomae.tgz
RUN node /usr/local/lib/node_modules/npm/bin/npm-cli.js install --global --ignore-scripts /tmp/videomae.tgz && rm /tmp/videomae.tgz
ENV HOME=/tmp
WORKDIR /work
ENTRYPOINT ["videomae"]
CMD ["--help"]
