# SPDX-License-Identifier: Apache-2.0
"""A reference implementation of transforms in NumPy, in which each rounding is a step of its
own. Images are (N, H, W, C); bfloat16 is represented by the uint16 of its bits."""

import ctypes
import ctypes.util

import numpy as np

_libm = ctypes.CDLL(ctypes.util.find_library("m"))
_libm.fma.restype = ctypes.c_double
_libm.fma.argtypes = [ctypes.c_double] * 3
fma64 = np.frompyfunc(_libm.fma, 3, 1)

BITS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
QUIET_NAN = {"float16": 0x7E00, "bfloat16": 0x7FC0, "float32": 0x7FC00000, "float64": 0x7FF8 << 48}


def raw_dtype(name):
    return np.dtype("uint16" if name == "bfloat16" else name)


def is_float(name):
    return name in QUIET_NAN


def is_wide(name):
    """True if the dtype is computed in double."""
    return name in ("float64", "int64", "uint64", "int32", "uint32")


def bits(array):
    return array.view(BITS[array.dtype.itemsize])


# ------------------------------------------------------------------- roundings


def to_odd(high, rest, into):
    """high + rest rounded to odd, where rest is smaller than the last bit of high. The result can
    be rounded again, to fewer bits, as if it had been rounded once."""
    away = np.nextafter(high, np.where(rest > 0, np.inf, -np.inf).astype(into))
    odd = (bits(high) & 1).astype(bool)
    return np.where((rest == 0) | odd | ~np.isfinite(high) | np.isnan(rest), high, away)


def fma32(x, a, b):
    """fma of float32: the product is exact in float64, the sum by Knuth's two-sum, and the
    result is rounded once."""
    with np.errstate(all="ignore"):
        product = x.astype(np.float64) * a
        total = product + b
        part = total - product
        rest = (product - (total - part)) + (b - part)
        rest = np.where(np.isfinite(total), rest, 0)
        return to_odd(total, rest, np.float64).astype(np.float32)


def bfloat16_bits(values):
    """The bits of bfloat16 of a float32 or float64, rounded once to nearest even."""
    with np.errstate(all="ignore"):
        narrow = values.astype(np.float32)
        if values.dtype == np.float64:  # first to odd in float32
            wide = narrow.astype(np.float64)
            over = np.isinf(narrow) & np.isfinite(values)
            largest = np.copysign(np.finfo(np.float32).max, values).astype(np.float32)
            toward = np.where(
                np.abs(wide) > np.abs(values), np.nextafter(narrow, np.float32(0)), narrow
            )
            toward = np.where(over, largest, toward)
            inexact = (wide != values) & ~np.isnan(values)
            pattern = bits(toward.astype(np.float32)) | inexact.astype(np.uint32)
        else:
            pattern = bits(narrow)
    pattern = pattern.astype(np.uint64)
    rounded = (pattern + 0x7FFF + ((pattern >> 16) & 1)) >> 16
    return np.where(np.isnan(values), QUIET_NAN["bfloat16"], rounded).astype(np.uint16)


def saturated(values, name):
    """Floats as integers: rounded to nearest even and saturated; NaN is 0."""
    info = np.iinfo(name)
    with np.errstate(all="ignore"):
        rounded = np.rint(
            np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=np.inf, neginf=-np.inf)
        )
        low, high = rounded <= float(info.min), rounded >= float(info.max)
        inside = np.where(low | high, 0, rounded).astype(name)
    return np.where(low, info.min, np.where(high, info.max, inside)).astype(name)


def stored(values, name):
    """A float32 or float64, rounded once to the dtype."""
    if name == "bool":
        return values != 0
    if name == "bfloat16":
        return bfloat16_bits(values)
    if not is_float(name):
        return saturated(values, name)
    with np.errstate(all="ignore"):
        result = values.astype(name)
    bits(result)[np.isnan(values)] = QUIET_NAN[name]
    return result


def loaded(array, name):
    """The elements as float32, or float64 for wide dtypes."""
    if name == "bfloat16":
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float64 if is_wide(name) else np.float32)


# -------------------------------------------------------------------- channels


def colours(count):
    return count - 1 if count in (2, 4) else count


def sources_of_channels(source, target, reverse):
    """The source's channel for each channel of the result; None for the fill."""
    if target > 4 or source > 4:
        assert source == target
        return list(range(source))[:: -1 if reverse else 1]
    of = [0 if colours(source) == 1 else c for c in range(colours(target))]
    if reverse and colours(source) == 3:
        of = [2 - c for c in of]
    if target != colours(target):
        of.append(colours(source) if source != colours(source) else None)
    return of


def filled(fill, name):
    """One element with the fill; None is opaque."""
    if fill is None:
        opaque = 1 if is_float(name) or name == "bool" else np.iinfo(name).max
        if not is_float(name):
            return np.array([opaque], raw_dtype(name))
        fill = 1.0
    if name == "bfloat16":
        return bfloat16_bits(np.array([fill], np.float64))
    return stored(np.array([fill], np.float64), name)


# -------------------------------------------------------------- the transform


def each(values, channels, otherwise):
    values = np.asarray(otherwise if values is None else values, np.float64).reshape(-1)
    return np.broadcast_to(values, channels)


def coefficients(scale, mean, std, channels, work):
    mean, std = each(mean, channels, 0.0), each(std, channels, 1.0)
    # No mean leaves the signs of zeros as they are.
    a, b = scale / std, np.where(mean == 0, -0.0, -mean / std)
    return a.astype(work).astype(np.float64), b.astype(work).astype(np.float64)


def saturate_integers(x, name):
    if name == "bool":
        return x != 0
    info = np.iinfo(name)
    values = x.astype(object)
    return np.clip(values, info.min, info.max).astype(name)


def unchanged(x, source, target):
    """One channel without scale, mean and std."""
    if source == target:
        return x
    if not is_float(source) and not is_float(target):
        return saturate_integers(x, target)
    return computed(x, source, target, 1.0, -0.0)


def computed(x, source, target, a, b):
    numbers = loaded(x, source)
    if not is_wide(source) and not is_wide(target):
        return stored(fma32(numbers, a, b), target)
    with np.errstate(all="ignore"):
        values = fma64(numbers.astype(np.float64), a, b).astype(np.float64)
    return stored(values, target)


def transform(
    x,
    source,
    target,
    *,
    scale=1.0,
    mean=None,
    std=None,
    reverse_channels=False,
    channels=None,
    fill=None,
):
    """x: (N, H, W, C) of the dtype `source`; the result is of `target`."""
    channels = channels or x.shape[3]
    work = np.float64 if is_wide(source) or is_wide(target) else np.float32
    a, b = coefficients(scale, mean, std, channels, work)
    neutral = bool(np.all(a == 1) and np.all(b == 0))
    out = np.empty((*x.shape[:3], channels), raw_dtype(target))
    for c, of in enumerate(sources_of_channels(x.shape[3], channels, reverse_channels)):
        if of is None:
            out[..., c] = filled(fill, target)
        elif neutral:
            out[..., c] = unchanged(x[..., of], source, target)
        else:  # also for a channel whose a is 1 and b is 0
            out[..., c] = computed(x[..., of], source, target, a[c], b[c])
    return out
