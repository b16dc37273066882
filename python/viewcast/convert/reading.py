# SPDX-License-Identifier: Apache-2.0
"""Images out of files: a list of arrays, as NumPy has them."""

import itertools


class Unreadable(OSError):
    """No decoder takes the file."""


def read(path, frames):
    if not path.is_file():
        raise Unreadable(f"there is no file {path}")
    if path.suffix == ".npy":
        return array(path)
    if frames is None and (picture := try_picture(path)) is not None:
        return [picture]
    return video(path, frames or slice(0, 1))


def array(path):
    """An image, or the images of a batch."""
    import numpy

    found = numpy.load(path, allow_pickle=False)
    return list(found) if found.ndim == 4 else [found]


def try_picture(path):
    """As it is meant to be seen: turned as its camera says, palettes looked up."""
    import numpy
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            turned = ImageOps.exif_transpose(image)
            if turned.mode in ("P", "PA", "LA", "La", "RGBa", "CMYK", "YCbCr", "HSV", "LAB"):
                transparent = "A" in turned.mode.upper() or "transparency" in turned.info
                turned = turned.convert("RGBA" if transparent else "RGB")
            return numpy.array(turned)
    except UnidentifiedImageError:
        return None


def video(path, frames):
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise Unreadable(f"{path} holds no video")
            decoded = container.decode(video=0)
            chosen = itertools.islice(decoded, frames.start, frames.stop, frames.step)
            images = [frame.to_ndarray(format="rgb24") for frame in chosen]
    except av.error.FFmpegError as error:
        raise Unreadable(f"{path} is no picture and no video: {error}") from error
    if not images:
        raise Unreadable(f"{path} has no such frames")
    return images
