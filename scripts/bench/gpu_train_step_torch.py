"""PyTorch twin of scripts/bench/gpu-train-step.ts on the same GPU: bfloat16 autocast, scaled_dot_product_attention, fused
AdamW; eager, then torch.compile. Prints one JSON line of the median milliseconds per step and the peak memory of both.
--device cpu tries the script itself, without a GPU and without generating code; its times mean nothing.

The model is that of train_step_torch.py; fine-tuning uses its blocks over all tokens, the mean, a norm and a linear head.
"""

import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn
from train_step_torch import Block, Pretraining

CLASSES = 400


class Classifier(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.embed = nn.Conv3d(3, a.width, (2, 16, 16), (2, 16, 16))
        self.blocks = nn.ModuleList(Block(a.width, a.heads) for _ in range(a.depth))
        self.norm = nn.LayerNorm(a.width, eps=1e-6)
        self.head = nn.Linear(a.width, CLASSES)
        self.register_buffer("positions", torch.randn(8 * (a.size // 16) ** 2, a.width) * 0.1)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]))

    def forward(self, frames, targets):
        video = ((frames.float() / 255 - self.mean) / self.std).permute(0, 4, 1, 2, 3)
        x = self.embed(video).flatten(2).transpose(1, 2)
        x = x + self.positions.to(x.dtype)
        for block in self.blocks:
            x = block(x)
        return F.cross_entropy(self.head(self.norm(x.mean(1))).float(), targets)


class Stopwatch:
    """Milliseconds between two points of the work given to a device."""

    def __init__(self, device):
        self.events = [torch.cuda.Event(enable_timing=True) for _ in range(2)] if device == "cuda" else None
        self.seconds = [0.0, 0.0]

    def mark(self, i):
        if self.events is None:
            self.seconds[i] = time.perf_counter()
        else:
            self.events[i].record()

    def milliseconds(self):
        if self.events is None:
            return 1000 * (self.seconds[1] - self.seconds[0])
        return self.events[0].elapsed_time(self.events[1])


def measure(model, inputs, steps, device):
    decay = [q for q in model.parameters() if q.ndim > 1]
    rest = [q for q in model.parameters() if q.ndim <= 1]
    groups = [{"params": decay, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.95), fused=True)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    host, others = inputs[0], inputs[1:]
    times = []
    for step in range(10 + steps):
        watch = Stopwatch(device)
        watch.mark(0)
        frames = host[step % len(host)].to(device, non_blocking=True)
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16):
            loss = model(frames, *others)
        loss.backward()
        optimizer.step()
        watch.mark(1)
        loss.item()
        if step >= 10:
            times.append(watch.milliseconds())
    peak = torch.cuda.max_memory_allocated() if device == "cuda" else 0
    return {"milliseconds": statistics.median(times), "peak": peak}


def main():
    p = argparse.ArgumentParser()
    for name in ("width", "depth", "heads", "decoder-width", "decoder-depth", "decoder-heads", "size", "batch", "steps"):
        p.add_argument(f"--{name}", type=int, required=True)
    p.add_argument("--task", choices=("pretrain", "finetune"), required=True)
    p.add_argument("--algebra", choices=("published", "lean"), default="lean")
    p.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    a = p.parse_args()
    torch.manual_seed(1)
    torch.set_float32_matmul_precision("high")
    n = 8 * (a.size // 16) ** 2
    frames = [torch.randint(0, 256, (a.batch, 16, a.size, a.size, 3), dtype=torch.uint8) for _ in range(3)]
    if a.device == "cuda":
        frames = [batch.pin_memory() for batch in frames]
    if a.task == "pretrain":
        order = torch.stack([torch.randperm(n) for _ in range(a.batch)])
        seen = 8 * (n // 8 - int(n // 8 * 0.9))
        visible, masked = (t.sort(1).values.to(a.device) for t in (order[:, :seen], order[:, seen:]))
        inputs, build = (frames, visible, masked, None), Pretraining
    else:
        inputs, build = (frames, torch.arange(a.batch).to(a.device) % CLASSES), Classifier
    eager = measure(build(a).to(a.device), inputs, a.steps, a.device)
    if a.device == "cuda":
        torch.cuda.empty_cache()
    backend = "inductor" if a.device == "cuda" else "eager"
    compiled = measure(torch.compile(build(a).to(a.device), backend=backend), inputs, a.steps, a.device)
    print(json.dumps({"eager": eager, "compiled": compiled}), flush=True)


if __name__ == "__main__":
    main()
