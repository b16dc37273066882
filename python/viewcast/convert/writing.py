# SPDX-License-Identifier: Apache-2.0
"""An array into a file, by its name."""

ARRAYS = (".npy", ".npz")


def is_picture(path):
    return path.suffix not in ARRAYS


def write(path, images):
    """`images` is one array, for pictures a list of them. The paths written."""
    import numpy

    if path.suffix == ".npy":
        numpy.save(path, images)
        return [path]
    if path.suffix == ".npz":
        numpy.savez(path, images=images)
        return [path]
    paths = names(path, len(images))
    for name, image in zip(paths, images, strict=True):
        save_picture(name, image)
    return paths


def names(path, count):
    if "%" not in path.name:
        if count > 1:
            raise ValueError(
                f"{count} frames need as many pictures: put a number into the name, as "
                f"{path.stem}-%03d{path.suffix}, or write a .npy file"
            )
        return [path]
    try:
        return [path.with_name(path.name % number) for number in range(count)]
    except (TypeError, ValueError):
        raise ValueError(f"{path.name} needs one number, as frame-%03d.png") from None


def save_picture(path, image):
    from PIL import Image

    one = image.ndim == 3 and image.shape[2] == 1
    Image.fromarray(image[..., 0] if one else image).save(path)
