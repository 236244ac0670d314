"""Pretraining on the GPUs of a Ray cluster, one rank per GPU, without MPI.

    python ray_ranks.py 16 pretrain /data/videos --recipe k400-s --out /data/runs/a --engine cuda --resume

Ray chooses the machines and starts the processes with the variables that torchrun would set; NCCL connects them. All machines need videomae,
the videos and the folder of the run at the same paths. Where a rank fails, all end, and the job ends with its exit code.
"""
import os
import socket
import subprocess
import sys


class Rank:
    """One process of the run, on the machine that Ray has chosen for it."""

    def address(self):
        with socket.socket() as free:
            free.bind(("", 0))
            return socket.gethostbyname(socket.gethostname()), free.getsockname()[1]

    def run(self, rank, size, master, command):
        address, port = master
        # Ray shows each rank its GPU alone, so LOCAL_RANK stays 0.
        variables = {"RANK": rank, "WORLD_SIZE": size, "LOCAL_RANK": 0, "MASTER_ADDR": address, "MASTER_PORT": port}
        return subprocess.call(command, env={**os.environ, **{name: str(value) for name, value in variables.items()}})


def main(ray, size, command):
    ray.init()
    actors = [ray.remote(num_gpus=1)(Rank).remote() for _ in range(size)]
    master = ray.get(actors[0].address.remote())
    codes = ray.get([actor.run.remote(rank, size, master, command) for rank, actor in enumerate(actors)])
    return next((code for code in codes if code != 0), 0)


if __name__ == "__main__":
    import ray

    sys.exit(main(ray, int(sys.argv[1]), ["videomae", *sys.argv[2:]]))
