# SPDX-License-Identifier: Apache-2.0
"""From file to file: what the options ask for, in one pass over the pixels."""

import viewcast as vc

from . import reading, writing


class Refused(Exception):
    """The options do not go together."""


def errors():
    """What viewcast raises for images that can't be had as asked."""
    return (vc.ViewError, TypeError)


def convert(options):
    """Reads, converts and writes; a line about it."""
    picture = writing.is_picture(options.output)
    check(options, picture)
    images = reading.read(options.input, options.frames)
    came = images[0]
    made = [one(image, options) for image in images] if picture else whole(images, options)
    if picture:
        check_pixels(made[0])
    paths = writing.write(options.output, made)
    return describe(options, came, len(images), made[0] if picture else made, paths)


def check(options, picture):
    values = (options.scale, options.mean, options.std)
    if options.normalize and any(value is not None for value in values):
        raise Refused("--normalize has its own scale, mean and std; leave those out")
    if picture and options.layout not in (None, "HWC"):
        raise Refused(f"a picture is HWC, not {options.layout}; write a .npy file")
    if options.from_layout and options.input.suffix != ".npy":
        raise Refused("pictures and videos are HWC; --from-layout is for .npy files")
    if options.dtype == "bfloat16":
        raise Refused(".npy files have no bfloat16; use float16 or float32")


def check_pixels(image):
    if image.dtype.name in ("uint8", "bool") or (image.dtype.name == "uint16" and image.ndim == 2):
        return
    raise Refused(
        f"a picture holds uint8, not {image.dtype}; say --dtype uint8 (with --scale 255 for "
        "fractions), or write a .npy file"
    )


def wanted(options):
    """The arguments of to_numpy."""
    given = {
        "layout": "HWC" if writing.is_picture(options.output) else options.layout,
        "from_layout": options.from_layout and options.from_layout[-3:],
        "dtype": options.dtype,
        "scale": options.scale,
        "mean": options.mean,
        "std": options.std,
        "channels": options.channels,
        "normalize": options.normalize and getattr(vc, options.normalize.upper()),
        "reverse_channels": options.bgr or None,
    }
    arguments = {name: value for name, value in given.items() if value is not None}
    fractions = options.normalize or options.scale or options.mean or options.std
    if fractions and not options.dtype:
        arguments["dtype"] = "float32"
    return arguments


def one(image, options):
    return vc.to_numpy(placed(image, options.device), **wanted(options))


def whole(images, options):
    """One array: an image, or a batch of several."""
    if len(images) == 1:
        return one(images[0], options)
    arguments = wanted(options)
    if arguments.get("layout") in ("HWC", "CHW"):
        arguments["layout"] = f"N{arguments['layout']}"
    return vc.to_numpy([placed(image, options.device) for image in images], **arguments)


def placed(image, device):
    """Where the work is to be done: memory of torch, or of CuPy."""
    if device == "cpu":
        return image
    try:
        return vc.as_tensor(image, copy=None, device=device)
    except ImportError:
        return vc.as_cupy(image, copy=None, device=device)


def describe(options, came, count, made, paths):
    several = f"{count} frames of " if count > 1 else ""
    written = str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    size = sum(path.stat().st_size for path in paths) / 1e6
    return (
        f"{options.input}: {several}{came.shape} {came.dtype}\n"
        f"{written}: {made.shape} {made.dtype}, {size:.1f} MB"
    )
