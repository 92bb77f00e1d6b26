"""Damaged picture files: each is answered, or named in a sentence."""

from pathlib import Path

import numpy as np
from attempts import classify, damaged, picture
from PIL import Image

COUNT, SECONDS = 10_000, 5
_FORMATS = {
    "jpg": "RGB L CMYK",
    "png": "RGB RGBA P L LA I;16 1",
    "bmp": "RGB P",
    "tif": "RGB RGBA L CMYK I;16",
    "webp": "RGB RGBA",
}
_OPTIONS = ((), ("--single",), ("--whole-image",), ("--annotate", "out"), ("--explain", "out"), ("--ruler", "picture"))


def attempt(random: np.random.Generator, folder: Path) -> str | None:
    ending = str(random.choice(list(_FORMATS)))
    mode = str(random.choice(_FORMATS[ending].split()))
    drawn = picture(random)
    if mode == "I;16":
        drawn = Image.fromarray(np.asarray(drawn.convert("L")).astype(np.uint16) * int(random.choice([4, 16, 257])))
    else:
        drawn = drawn.convert(mode)
    file = folder / f"a.{ending}"
    exif = Image.Exif()
    exif[0x0112] = int(random.integers(1, 9))
    if ending != "tif":
        drawn.save(file, exif=exif)
    elif random.random() < 0.4:
        drawn.save(file, save_all=True, append_images=[drawn.rotate(90)])
    else:
        drawn.save(file, compression=str(random.choice(["raw", "tiff_lzw", "tiff_deflate", "packbits"])))
    file.write_bytes(damaged(file.read_bytes(), random))
    return classify(folder, file.name, "--json", "-", *_OPTIONS[random.integers(len(_OPTIONS))])[2]
