#!/usr/bin/env python3
"""Do transformers and this package read each other's model directories and compute the same?

    python scripts/check-transformers.py

Needs Python with torch and transformers, and Node with `npm ci` done. Saves small random models here and loads them
there, and the other way round: no tensor may be missing or left over, and logits must agree within 1e-5 of the largest.
Exits 6 otherwise. The last column is the difference when this package uses the norm epsilons of the original
implementation (its default) instead of those of transformers.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
import transformers
from transformers import (
    VideoMAEConfig,
    VideoMAEForPreTraining,
    VideoMAEForVideoClassification,
    VideoMAEModel,
)

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOLERANCE = 1e-5
MEAN = torch.tensor([0.485, 0.456, 0.406])
STD = torch.tensor([0.229, 0.224, 0.225])
CLASSES = {c.__name__: c for c in (VideoMAEForPreTraining, VideoMAEForVideoClassification, VideoMAEModel)}


def node(mode, directory):
    subprocess.run(["npx", "tsx", "scripts/check-transformers.ts", mode, str(directory)], cwd=ROOT, check=True)


def shake(model):
    """Random values everywhere, so that nothing hides behind zeros and ones."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            center = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            parameter.copy_(center + 0.1 * torch.randn(parameter.shape, generator=generator))
    return model


def compute(model, pixels, mask):
    with torch.no_grad():
        if isinstance(model, VideoMAEForPreTraining):
            return model(pixels, bool_masked_pos=mask).logits
        if isinstance(model, VideoMAEModel):
            return model(pixels).last_hidden_state
        return model(pixels).logits


def difference(path, name, expected):
    ours = torch.from_numpy(np.fromfile(path / name, dtype="<f4")).reshape(expected.shape)
    return ((ours - expected).abs().max() / expected.abs().max()).item()


def main():
    torch.manual_seed(0)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as temporary:
        directory = pathlib.Path(temporary)
        node("write", directory)
        clip = np.fromfile(directory / "clip.u8", dtype=np.uint8).reshape(2, 4, 48, 48, 3)
        pixels = ((torch.from_numpy(clip) / 255.0 - MEAN) / STD).permute(0, 1, 4, 2, 3).contiguous()
        mask = torch.tensor(json.loads((directory / "mask.json").read_text())).bool()

        sizes = dict(
            image_size=48, num_frames=4, hidden_size=64, num_hidden_layers=2, num_attention_heads=4,
            intermediate_size=256, decoder_hidden_size=32, decoder_num_hidden_layers=2,
            decoder_num_attention_heads=2, decoder_intermediate_size=128, num_labels=3,
        )
        theirs = {
            "theirs-pretrain": (VideoMAEForPreTraining, dict(use_mean_pooling=False)),
            "theirs-pretrain-no-norm": (VideoMAEForPreTraining, dict(use_mean_pooling=True)),
            "theirs-classify": (VideoMAEForVideoClassification, dict(use_mean_pooling=True)),
            "theirs-classify-first-token": (VideoMAEForVideoClassification, dict(use_mean_pooling=False)),
            "theirs-encoder": (VideoMAEModel, dict(use_mean_pooling=False)),
        }
        for name, (kind, options) in theirs.items():
            shake(kind(VideoMAEConfig(**sizes, **options))).save_pretrained(directory / name)
        node("logits", directory)

        failed = False
        print(f"transformers {transformers.__version__}, torch {torch.__version__}")
        print(f"{'model':32}{'missing':>9}{'left over':>11}{'max difference':>16}{'original norms':>16}")
        for path in sorted(p for p in directory.iterdir() if p.is_dir()):
            kind = CLASSES[json.loads((path / "config.json").read_text())["architectures"][0]]
            model, info = kind.from_pretrained(path, output_loading_info=True)
            logits = compute(model.eval(), pixels, mask)
            missing, unexpected = len(info["missing_keys"]), len(info["unexpected_keys"])
            same = difference(path, "ours-transformers.f32", logits)
            original = difference(path, "ours-original.f32", logits)
            failed |= missing > 0 or unexpected > 0 or not same < TOLERANCE
            print(f"{path.name:32}{missing:9}{unexpected:11}{same:16.2e}{original:16.2e}")
        print("FAILED" if failed else "ok")
        return 6 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
