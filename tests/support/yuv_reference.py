# SPDX-License-Identifier: Apache-2.0
"""What vc.yuv and vc.to_yuv must give: the bytes of cv2.cvtColor, or H.273's formula in fractions,
rounded half up."""

from fractions import Fraction

import cv2
import numpy as np

#: Columns and rows for a sample of chroma, bits, unused bits, whether U and V alternate, and
#: whether V is first.
FORMATS = {
    "nv12": (2, 2, 8, 0, True, False),
    "nv21": (2, 2, 8, 0, True, True),
    "i420": (2, 2, 8, 0, False, False),
    "yv12": (2, 2, 8, 0, False, True),
    "yuv422p": (2, 1, 8, 0, False, False),
    "yuv444p": (1, 1, 8, 0, False, False),
    "p010": (2, 2, 10, 6, True, False),
    "p016": (2, 2, 16, 0, True, False),
    "yuv420p10": (2, 2, 10, 0, False, False),
    "yuv422p10": (2, 1, 10, 0, False, False),
    "yuv444p10": (1, 1, 10, 0, False, False),
    "yuv444p10msb": (1, 1, 10, 6, False, False),
    "yuv444p16": (1, 1, 16, 0, False, False),
}
WEIGHTS = {
    "bt601": ("0.299", "0.114"),
    "bt709": ("0.2126", "0.0722"),
    "bt2020": ("0.2627", "0.0593"),
}
MATRICES, RANGES = list(WEIGHTS), ["limited", "full"]


def planes_of(rng, format, height, width, pitched=True):
    """Planes of random samples, with a gap after each row."""
    across, down, bits, unused, pairs, _ = FORMATS[format]
    dtype = np.uint8 if bits == 8 else np.uint16

    def plane(rows, cols, *last):
        wide = rng.integers(0, 1 << bits, (rows, cols + 3 * pitched, *last)) << unused
        return wide.astype(dtype)[:, :cols]

    half = -(-height // down), -(-width // across)
    luma = plane(height, width)
    if pairs:
        return luma, plane(*half, 2)
    return luma, plane(*half), plane(*half)


def samples_of(planes, format):
    """Y, U and V of each pixel, as int64."""
    across, down, _, unused, pairs, swapped = FORMATS[format]
    luma = planes[0]
    chroma = [planes[1][..., 0], planes[1][..., 1]] if pairs else list(planes[1:])
    if swapped:
        chroma.reverse()
    height, width = luma.shape
    each = [c.repeat(down, 0).repeat(across, 1)[:height, :width] for c in chroma]
    return [a.astype(np.int64) >> unused for a in (luma, *each)]


def real_rgb(samples, bits, matrix, range, depth):
    """H.273's formula in fractions over one denominator, rounded half up."""
    red, blue = (Fraction(weight) for weight in WEIGHTS[matrix])
    green, full = 1 - red - blue, range == "full"
    unit, top = 1 << (bits - 8), (1 << depth) - 1
    luma = Fraction(top, (1 << bits) - 1 if full else 219 * unit)
    chroma = Fraction(top, (1 << bits) - 1 if full else 224 * unit)
    y = samples[0] - (0 if full else 16 * unit)
    u, v = samples[1] - 128 * unit, samples[2] - 128 * unit
    from_u, from_v = 2 * (1 - blue) * chroma, 2 * (1 - red) * chroma
    out = []
    for factors in (
        (luma, 0, from_v),
        (luma, -from_u * blue / green, -from_v * red / green),
        (luma, from_u, 0),
    ):
        below = np.lcm.reduce([Fraction(f).denominator for f in factors])
        above = sum(int(f * below) * x for f, x in zip(factors, (y, u, v), strict=True))
        out.append(np.clip((2 * above + below) // (2 * below), 0, top))
    return np.stack(out, -1).astype(np.uint8 if depth == 8 else np.uint16)


def opencv_rgb(samples):
    """cv2.cvtColor's bytes, by a 4:2:0 image that is twice as large."""
    y, u, v = (a.astype(np.uint8) for a in samples)
    height, width = y.shape
    pairs = np.stack([u, v], -1)
    big = cv2.cvtColorTwoPlane(y.repeat(2, 0).repeat(2, 1), pairs, cv2.COLOR_YUV2RGB_NV12)
    assert big.shape == (2 * height, 2 * width, 3)
    return big[::2, ::2]


def rgb_of(planes, format, matrix, range, depth=8):
    bits, samples = FORMATS[format][2], samples_of(planes, format)
    if (bits, depth, matrix, range) == (8, 8, "bt601", "limited"):
        return opencv_rgb(samples)
    return real_rgb(samples, bits, matrix, range, depth)


def real_yuv(rgb, bits, matrix, range, block):
    """H.273's Y, U and V of RGB of uint8; chroma of the mean of each block, rounded once."""
    red, blue = (Fraction(weight) for weight in WEIGHTS[matrix])
    full, unit, top = range == "full", 1 << (bits - 8), (1 << bits) - 1
    down, across = block
    height, width = rgb.shape[:2]
    padded = np.zeros((-(-height // down) * down, -(-width // across) * across, 4), np.int64)
    padded[:height, :width, :3] = rgb
    padded[:height, :width, 3] = 1
    sums = padded.reshape(padded.shape[0] // down, down, padded.shape[1] // across, across, 4)
    sums = sums.sum((1, 3))
    weights = [red, 1 - red - blue, blue]

    def samples(factors, channels, count, offset):
        below = int(np.lcm.reduce([Fraction(f).denominator for f in factors]))
        above = sum(int(f * below) * channels[..., i] for i, f in enumerate(factors))
        found = (2 * above + (1 + 2 * offset) * below * count) // (2 * below * count)
        return np.clip(found, 0, top).astype(np.uint8 if bits == 8 else np.uint16)

    luma = Fraction(top if full else 219 * unit, 255)
    chroma = Fraction(top if full else 224 * unit, 255)
    y = samples([w * luma for w in weights], rgb.astype(np.int64), 1, 0 if full else 16 * unit)
    planes = [y]
    for channel, weight in ((2, blue), (0, red)):
        factors = [
            ((i == channel) - w) * chroma / (2 * (1 - weight)) for i, w in enumerate(weights)
        ]
        planes.append(samples(factors, sums, sums[..., 3], 128 * unit))
    return planes


def yuv_of(rgb, format, matrix, range):
    """Y, U and V of RGB of uint8, as vc.to_yuv writes them."""
    across, down, bits, *_ = FORMATS[format]
    if (bits, down, matrix, range) != (8, 2, "bt601", "limited"):
        return real_yuv(rgb, bits, matrix, range, (down, across))
    height, width = rgb.shape[:2]
    even = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)))
    made = cv2.cvtColor(even, cv2.COLOR_RGB2YUV_I420)
    luma, chroma = made[: even.shape[0]], made[even.shape[0] :]
    halves = chroma.reshape(2, even.shape[0] // 2, even.shape[1] // 2)
    return [luma[:height, :width], *halves]
