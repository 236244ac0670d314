"""PyTorch twin of one VideoMAE step, for scripts/bench/train-step.ts: pretraining, full fine-tuning (--job finetune) or
features of the mean of all tokens (--job features).

AdamW(fused=True). --precision bfloat16: torch.autocast; --attention manual: softmax(q k^T) v written out. Reads one JSON line {"steps": n} per round from stdin and
answers with one JSON line of wall and CPU milliseconds per step and the peak resident memory in MiB.

--algebra published: as the published code computes it (Conv3d over every patch, full last decoder block).
--algebra lean: the savings this package makes (only visible patches embedded, only masked tokens through the queries,
projection and MLP of the last decoder block).
"""

import argparse
import json
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    manual = False

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.proj = nn.Linear(width, width)

    def forward(self, x, keep):
        b, n, d = x.shape
        split = lambda t: t.reshape(b, t.shape[1], self.heads, d // self.heads).transpose(1, 2)
        zeros = torch.zeros_like(self.v_bias)
        if keep is None:
            qkv = F.linear(x, self.qkv.weight, torch.cat((self.q_bias, zeros, self.v_bias)))
            q, k, v = (split(t) for t in qkv.chunk(3, dim=2))
        else:
            q = split(F.linear(x[:, -keep:], self.qkv.weight[:d], self.q_bias))
            kv = F.linear(x, self.qkv.weight[d:], torch.cat((zeros, self.v_bias)))
            k, v = (split(t) for t in kv.chunk(2, dim=2))
        if self.manual:
            scores = (q * (q.shape[-1] ** -0.5)) @ k.transpose(-2, -1)
            o = scores.softmax(-1) @ v
        else:
            o = F.scaled_dot_product_attention(q, k, v)
        return self.proj(o.transpose(1, 2).reshape(b, -1, d))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x, keep=None):
        attended = self.attn(self.norm1(x), keep)
        x = (x if keep is None else x[:, -keep:]) + attended
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class Pretraining(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.lean = a.algebra == "lean"
        self.embed = nn.Conv3d(3, a.width, (2, 16, 16), (2, 16, 16))
        self.encoder = nn.ModuleList(Block(a.width, a.heads) for _ in range(a.depth))
        self.norm = nn.LayerNorm(a.width, eps=1e-6)
        self.bridge = nn.Linear(a.width, a.decoder_width, bias=False)
        self.mask_token = nn.Parameter(torch.zeros(a.decoder_width))
        self.decoder = nn.ModuleList(Block(a.decoder_width, a.decoder_heads) for _ in range(a.decoder_depth))
        self.decoder_norm = nn.LayerNorm(a.decoder_width, eps=1e-6)
        self.head = nn.Linear(a.decoder_width, 1536)
        n = 8 * (a.size // 16) ** 2
        self.register_buffer("positions", torch.randn(n, a.width) * 0.1)
        self.register_buffer("decoder_positions", torch.randn(n, a.decoder_width) * 0.1)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]))

    @staticmethod
    def cut(frames, indices):
        """[B, T, H, W, C] -> [B, M, p0 * p1 * p2, C]."""
        b, t, h, w, c = frames.shape
        x = frames.view(b, t // 2, 2, h // 16, 16, w // 16, 16, c).permute(0, 1, 3, 5, 2, 4, 6, 7)
        x = x.reshape(b, -1, 512 * c)
        return x.gather(1, indices[..., None].expand(-1, -1, x.shape[2])).view(b, indices.shape[1], 512, c)

    def forward(self, frames, visible, masked, weight):
        pick = lambda t, i: t.gather(1, i[..., None].expand(-1, -1, t.shape[2]))
        if self.lean:
            patches = (self.cut(frames, visible).float() / 255 - self.mean) / self.std
            patches = patches.transpose(2, 3).flatten(2)
            x = F.linear(patches, self.embed.weight.flatten(1), self.embed.bias)
        else:
            video = ((frames.float() / 255 - self.mean) / self.std).permute(0, 4, 1, 2, 3)
            x = pick(self.embed(video).flatten(2).transpose(1, 2), visible)
        x = x + self.positions[visible]
        for block in self.encoder:
            x = block(x)
        x = self.bridge(self.norm(x)) + self.decoder_positions[visible]
        x = torch.cat((x, self.mask_token + self.decoder_positions[masked]), 1)
        m = masked.shape[1]
        for i, block in enumerate(self.decoder):
            x = block(x, m if self.lean and i == len(self.decoder) - 1 else None)
        prediction = self.head(self.decoder_norm(x[:, -m:]))
        with torch.no_grad():
            pixels = self.cut(frames, masked).float() / 255
            mean = pixels.mean(2, keepdim=True)
            target = (pixels - mean) / (pixels.var(2, unbiased=True, keepdim=True).sqrt() + 1e-6)
            target = target.flatten(2)
        if weight is None:
            return F.mse_loss(prediction, target)
        return ((prediction - target).square().mean(2) * weight).sum() / weight.sum()


class Encoder(nn.Module):
    """All tokens, their mean, a norm, and for fine-tuning a linear head with 10 classes."""

    def __init__(self, a):
        super().__init__()
        self.embed = nn.Conv3d(3, a.width, (2, 16, 16), (2, 16, 16))
        self.encoder = nn.ModuleList(Block(a.width, a.heads) for _ in range(a.depth))
        self.norm = nn.LayerNorm(a.width, eps=1e-6)
        self.head = nn.Linear(a.width, 10) if a.job == "finetune" else None
        self.register_buffer("positions", torch.randn(8 * (a.size // 16) ** 2, a.width) * 0.1)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]))

    def forward(self, frames, target):
        video = ((frames.float() / 255 - self.mean) / self.std).permute(0, 4, 1, 2, 3)
        x = self.embed(video).flatten(2).transpose(1, 2) + self.positions
        for block in self.encoder:
            x = block(x)
        x = self.norm(x.mean(1))
        return x if self.head is None else F.cross_entropy(self.head(x), target)


def run_features(model, frames, precision):
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        return model(frames, None)


def main():
    p = argparse.ArgumentParser()
    for name in ("width", "depth", "heads", "decoder-width", "decoder-depth", "decoder-heads"):
        p.add_argument(f"--{name}", type=int, required=True)
    for name in ("size", "batch", "visible", "decoded", "threads"):
        p.add_argument(f"--{name}", type=int, required=True)
    p.add_argument("--job", choices=("pretrain", "finetune", "features"), default="pretrain")
    p.add_argument("--weighted", action="store_true")
    p.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    p.add_argument("--attention", choices=("sdpa", "manual"), default="sdpa")
    p.add_argument("--algebra", choices=("published", "lean"), default="published")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    Attention.manual = a.attention == "manual"
    torch.set_flush_denormal(True)
    torch.manual_seed(1)
    model = Pretraining(a) if a.job == "pretrain" else Encoder(a)
    decay = [q for q in model.parameters() if q.ndim > 1]
    rest = [q for q in model.parameters() if q.ndim <= 1]
    groups = [{"params": decay, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.95), fused=True)
    n = model.positions.shape[0]
    frames = torch.randint(0, 256, (a.batch, 16, a.size, a.size, 3), dtype=torch.uint8)
    order = torch.stack([torch.randperm(n) for _ in range(a.batch)])
    visible = order[:, : a.visible].sort(1).values
    masked = order[:, a.visible : a.visible + a.decoded].sort(1).values
    weight = torch.ones(masked.shape) if a.weighted else None
    target = torch.arange(a.batch) % 10
    for line in sys.stdin:
        wall, cpu = [], []
        for _ in range(json.loads(line)["steps"]):
            t, c = time.perf_counter(), time.process_time()
            if a.job == "features":
                loss = run_features(model, frames, a.precision).float().sum()
            else:
                optimizer.zero_grad(set_to_none=True)
                given = (frames, visible, masked, weight) if a.job == "pretrain" else (frames, target)
                with torch.autocast("cpu", torch.bfloat16, enabled=a.precision == "bfloat16"):
                    loss = model(*given)
                loss.backward()
                optimizer.step()
            loss.item()
            wall.append(1000 * (time.perf_counter() - t))
            cpu.append(1000 * (time.process_time() - c))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"wall": wall, "cpu": cpu, "peak": peak, "loss": loss.item()}), flush=True)


if __name__ == "__main__":
    main()
