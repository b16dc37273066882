# SPDX-License-Identifier: Apache-2.0
"""Draws the pictures of docs/tutorial.md from what the page's own blocks made."""

import pathlib
import sys

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent / "tutorial.md"
sys.path.insert(0, str(HERE.parents[1] / "tests" / "support"))
WIDTH, QUALITY = 960, 80


def blocks():
    """The variables of the page after each of its blocks."""
    import pages

    names = {}
    for block in pages.blocks_of(PAGE):
        if block.language == "python" and not pages.unmet(block):
            exec(compile(block.text, str(PAGE), "exec"), names)
            yield block.text, names


def save(name, pixels):
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((WIDTH, WIDTH))
    picture.save(HERE / f"{name}.jpg", quality=QUALITY, optimize=True)


def in_a_row(pictures, gap):
    """Pictures of one height, side by side, with white between them."""
    between = np.full((pictures[0].shape[0], gap, 3), 255, np.uint8)
    columns = [column for each in pictures for column in (between, each)]
    return np.hstack(columns[1:])


def letterboxed(names):
    """The batch before it was normalised, beside the frame."""
    vc, frame, fit = names["vc"], names["frame"], names["fit"]
    whole = vc.to_numpy(frame, resize=(640, 640 * frame.shape[1] // frame.shape[0]))
    return in_a_row([whole, vc.to_numpy(frame, resize=fit)], gap=16)


def main():
    drawings = {
        "print(frame.shape": lambda names: {"frame": names["frame"]},
        "255 - tensor": lambda names: {"painted": names["tensor"].cpu().numpy()},
        "part.stride()": lambda names: {"region": names["part"].cpu().numpy()},
        "fit = ": lambda names: {"letterbox": letterboxed(names)},
        "marked = ": lambda names: {"boxes": names["marked"]},
        "crops = ": lambda names: {"crops": in_a_row(list(names["crops"].cpu().numpy()), gap=8)},
        "planes = ": lambda names: {"yuv": names["planes"]},
    }
    for text, names in blocks():
        for part, draw in drawings.items():
            if part in text:
                for name, pixels in draw(names).items():
                    save(name, pixels)


if __name__ == "__main__":
    main()
