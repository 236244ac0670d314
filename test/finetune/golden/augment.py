"""Writes augment.json: what PIL makes of one small picture with every operation that RandAugment uses."""
import json
import pathlib

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

WIDTH, HEIGHT = 11, 9
picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
for y in range(HEIGHT):
    for x in range(WIDTH):
        picture[y, x] = [(37 * x + 11 * y) % 200 + 20, (x * x * 3 + 29 * y) % 230 + 10, (91 * x * y + 5) % 180 + 40]
image = Image.fromarray(picture)
gray = (128, 128, 128)


def affine(values):
    return image.transform(image.size, Image.AFFINE, values, resample=Image.BICUBIC, fillcolor=gray)


def solarize_add(amount):
    return image.point([min(255, v + amount) if v < 128 else v for v in range(256)] * 3)


cases = [
    ("auto-contrast", 0, ImageOps.autocontrast(image)),
    ("equalize", 0, ImageOps.equalize(image)),
    ("invert", 0, ImageOps.invert(image)),
    ("rotate", 21.5, image.rotate(21.5, resample=Image.BICUBIC, fillcolor=gray)),
    ("rotate", -13, image.rotate(-13, resample=Image.BICUBIC, fillcolor=gray)),
    ("posterize", 2, ImageOps.posterize(image, 2)),
    ("solarize", 77, ImageOps.solarize(image, 77)),
    ("solarize-add", 60, solarize_add(60)),
    ("color", 1.63, ImageEnhance.Color(image).enhance(1.63)),
    ("color", 0.37, ImageEnhance.Color(image).enhance(0.37)),
    ("contrast", 1.63, ImageEnhance.Contrast(image).enhance(1.63)),
    ("contrast", 0.37, ImageEnhance.Contrast(image).enhance(0.37)),
    ("brightness", 1.4, ImageEnhance.Brightness(image).enhance(1.4)),
    ("sharpness", 1.63, ImageEnhance.Sharpness(image).enhance(1.63)),
    ("sharpness", 0.37, ImageEnhance.Sharpness(image).enhance(0.37)),
    ("shear-x", 0.21, affine((1, 0.21, 0, 0, 1, 0))),
    ("shear-y", -0.17, affine((1, 0, 0, -0.17, 1, 0))),
    ("translate-x", 0.3, affine((1, 0, 0.3 * WIDTH, 0, 1, 0))),
    ("translate-y", -0.25, affine((1, 0, 0, 0, 1, -0.25 * HEIGHT))),
]
result = {
    "width": WIDTH,
    "height": HEIGHT,
    "picture": picture.ravel().tolist(),
    "cases": [{"name": n, "argument": a, "expected": np.asarray(i).ravel().tolist()} for n, a, i in cases],
}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(result) + "\n")
