# SPDX-License-Identifier: Apache-2.0
"""Draws the pictures of docs/tutorial.md from what the page's own blocks made."""

import contextlib
import io
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
            with contextlib.redirect_stdout(io.StringIO()):
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


# What a block contains, and the picture that is drawn after it: a name and pixels.
DRAWINGS = {
    "print(frame.shape": ("frame", lambda names: names["frame"]),
    "255 - tensor": ("painted", lambda names: names["tensor"].cpu().numpy()),
    "part.stride()": ("region", lambda names: names["part"].cpu().numpy()),
    "fit = ": ("letterbox", letterboxed),
    "marked = ": ("boxes", lambda names: names["marked"]),
    "crops = ": ("crops", lambda names: in_a_row(list(names["crops"].cpu().numpy()), gap=8)),
    "planes = ": ("yuv", lambda names: names["planes"]),
}


def main():
    for text, names in blocks():
        for part, (name, draw) in DRAWINGS.items():
            if part in text:
                save(name, draw(names))


if __name__ == "__main__":
    main()
