"""Writes operations.json: what PyTorch (float64, autograd, torch.optim.AdamW) makes of fixed small inputs.

Run:  python test/engines/golden/operations.py && npx biome check --write test/engines/golden
The inputs are wave(count, phase)[i] = sin(0.7 i + phase) * 1.5, which golden.test.ts makes as well.
"""
import json
import math
import pathlib

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def wave(shape, phase):
    count = math.prod(shape)
    return torch.tensor([math.sin(0.7 * i + phase) * 1.5 for i in range(count)]).reshape(shape)


def leaf(shape, phase):
    return wave(shape, phase).requires_grad_()


def flat(tensor):
    return [float(v) for v in tensor.detach().reshape(-1)]


out = {}

# linear
x, w, b, dy = leaf((2, 3, 4), 0.1), leaf((5, 4), 0.2), leaf((5,), 0.3), wave((2, 3, 5), 0.4)
y = F.linear(x, w, b)
y.backward(dy)
out["linear"] = [flat(y)]
out["linearInputGradient"] = [flat(x.grad)]
out["linearParameterGradient"] = [flat(w.grad), flat(b.grad)]

# gelu, large arguments included
x, dy = leaf((12,), 0.5), wave((12,), 0.6)
scaled = x * 4
y = F.gelu(scaled)
(dx,) = torch.autograd.grad(y, scaled, dy)
out["gelu"] = [flat(y)]
out["geluGradient"] = [flat(dx)]

# layerNorm
x, gamma, beta, dy = leaf((2, 3, 6), 0.7), leaf((6,), 0.8), leaf((6,), 0.9), wave((2, 3, 6), 1.0)
y = F.layer_norm(x, (6,), gamma, beta, 1e-6)
y.backward(dy)
mean = x.mean(-1)
inverse = (x.var(-1, unbiased=False) + 1e-6).rsqrt()
out["layerNorm"] = [flat(y), flat(mean), flat(inverse)]
out["layerNormGradient"] = [flat(x.grad), flat(gamma.grad), flat(beta.grad)]


# attention: batch 2, 2 heads of 3 columns
def heads(t):
    return t.reshape(2, -1, 2, 3).transpose(1, 2)


def attend(q, k, v):
    o = F.scaled_dot_product_attention(heads(q), heads(k), heads(v))
    scores = heads(q) @ heads(k).transpose(-1, -2) / math.sqrt(3)
    return o.transpose(1, 2).reshape(2, -1, 6), torch.logsumexp(scores, -1)


qkv, do = leaf((2, 4, 18), 1.1), wave((2, 4, 6), 1.2)
o, lse = attend(*qkv.split(6, -1))
o.backward(do)
out["attention packed"] = [flat(o), flat(lse)]
out["attentionGradient packed"] = [flat(qkv.grad)]

q, kv, do = leaf((2, 3, 6), 1.3), leaf((2, 5, 12), 1.4), wave((2, 3, 6), 1.5)
o, lse = attend(q, *kv.split(6, -1))
o.backward(do)
out["attention"] = [flat(o), flat(lse)]
out["attentionGradient"] = [flat(q.grad), flat(kv.grad)]

# softmax and losses
x = wave((3, 5), 1.6) * 100
out["softmax"] = [flat(F.softmax(x, -1))]

logits, targets = leaf((3, 5), 1.7), F.softmax(wave((3, 5), 1.8), -1)
loss = F.cross_entropy(logits, targets)
(3 * loss).backward()
out["softmaxCrossEntropy"] = [flat(loss)]
out["softmaxCrossEntropyGradient"] = [flat(logits.grad)]

prediction, target = leaf((2, 3, 4), 1.9), wave((2, 3, 4), 2.0)
loss = F.mse_loss(prediction, target)
(3 * loss).backward()
out["meanSquaredError"] = [flat(loss)]
out["meanSquaredErrorGradient"] = [flat(prediction.grad)]

prediction, weight = leaf((2, 3, 4), 1.9), torch.tensor([[1.0, 0.0, 2.0], [0.0, 0.5, 1.0]])
loss = (weight * ((prediction - target) ** 2).mean(-1)).sum() / weight.sum()
(3 * loss).backward()
out["meanSquaredError weighted"] = [flat(loss)]
out["meanSquaredErrorGradient weighted"] = [flat(prediction.grad)]

# tokens
x, dy = leaf((2, 3, 4), 2.1), wave((2, 4), 2.2)
y = x.mean(1)
y.backward(dy)
out["meanTokens"] = [flat(y)]
out["meanTokensGradient"] = [flat(x.grad)]

indices = torch.tensor([[2, 0], [1, 1]])
x, dy = leaf((2, 3, 4), 2.3), wave((2, 2, 4), 2.4)
y = torch.gather(x, 1, indices[..., None].expand(-1, -1, 4))
y.backward(dy)
out["gatherTokens"] = [flat(y)]
out["scatterTokens"] = [flat(x.grad)]
out["gatherRows"] = [flat(wave((3, 4), 2.5)[indices])]

# patches: 2 samples, 4 frames, 4 x 6 pixels, 3 channels; tubelet 2, patch 2
video = torch.tensor([(37 * i + i * i // 7) % 256 for i in range(2 * 4 * 4 * 6 * 3)]).reshape(2, 4, 4, 6, 3)
video[0, :2, :2, :2, 1] = 77  # one flat patch channel
mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
normal = (video / 255 - mean) / std
# Oracle for the order of tokens and values: a convolution whose kernels each pick one value.
kernel = torch.eye(24).reshape(24, 3, 2, 2, 2)
tokens = F.conv3d(normal.permute(0, 4, 1, 2, 3), kernel, stride=2).flatten(2).transpose(1, 2)
out["patchify"] = [flat(tokens)]
picked = torch.tensor([[0, 7, 3], [11, 5, 5]])
rows = torch.arange(2)[:, None]
out["patchify picked"] = [flat(tokens[rows, picked])]
grid = (video / 255).reshape(2, 2, 2, 2, 2, 3, 2, 3).permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(2, 12, 8, 3)[rows, picked]
out["patchTargets"] = [flat(grid)]
z = (grid - grid.mean(2, keepdim=True)) / (grid.var(2, unbiased=True, keepdim=True).sqrt() + 1e-6)
# PyTorch's own rounding of the flat channel's mean is not part of the definition.
z[0, 0, :, 1] = 0
out["patchTargets normalized"] = [flat(z)]

# AdamW with clipping; the second parameter without decay and at half the learning rate
p, r = torch.nn.Parameter(wave((6,), 2.6)), torch.nn.Parameter(wave((4,), 2.7))
groups = [{"params": [p], "lr": 1e-2, "weight_decay": 0.1}, {"params": [r], "lr": 5e-3, "weight_decay": 0.0}]
optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=1e-8)
norms = []
for step in range(4):
    p.grad, r.grad = wave((6,), 3.0 + step) * 0.5, wave((4,), 4.0 + step) * 0.5
    norms.append(float(torch.nn.utils.clip_grad_norm_([p, r], 1.65)))
    optimizer.step()
moments = [optimizer.state[t][k] for t in (p, r) for k in ("exp_avg", "exp_avg_sq")]
out["adamw"] = [flat(p), flat(r), *map(flat, moments), norms]

path = pathlib.Path(__file__).with_name("operations.json")
lines = [f"  {json.dumps(name)}: {json.dumps(values)}" for name, values in out.items()]
path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
