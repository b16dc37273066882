# SPDX-License-Identifier: Apache-2.0
"""A reference of transforms in exact integer arithmetic.

Nothing here uses floating-point hardware except for the two divisions in double precision
that the documentation names. A number is a pair (sign, value): `value` is a pair (m, e) for
m * 2**e with m >= 0, INF or NAN. Elements are handled as their bits, as unsigned integers.
The tests of tests/python have a reference of their own, in floating point; this one shares
nothing with it.
"""

import numpy as np

INF, NAN = "inf", "nan"
# (bits of the exponent, bits of the fraction)
FLOATS = {"float16": (5, 10), "bfloat16": (8, 7), "float32": (8, 23), "float64": (11, 52)}
# (smallest, largest)
INTEGERS = {f"uint{n}": (0, 2**n - 1) for n in (8, 16, 32, 64)}
INTEGERS |= {f"int{n}": (-(2 ** (n - 1)), 2 ** (n - 1) - 1) for n in (8, 16, 32, 64)}
DTYPES = (*INTEGERS, *FLOATS, "bool")
ITEMSIZE = {name: 2 if name == "bfloat16" else np.dtype(name).itemsize for name in DTYPES}


def working_type(source, target):
    """float64 if either dtype has 64 bits or is a 32-bit integer."""
    wide = {"float64", "int64", "uint64", "int32", "uint32"}
    return "float64" if {source, target} & wide else "float32"


# ------------------------------------------------------------------ bits and numbers


def decode(bits, dtype):
    if dtype == "bool":
        return 0, (int(bits != 0), 0)
    if dtype in INTEGERS:
        value = int(bits)
        if INTEGERS[dtype][0] < 0 and value > INTEGERS[dtype][1]:
            value -= 2 ** (8 * ITEMSIZE[dtype])
        return int(value < 0), (abs(value), 0)
    exponent, fraction = FLOATS[dtype]
    bits = int(bits)
    sign, bits = divmod(bits, 1 << (exponent + fraction))
    field, rest = divmod(bits, 1 << fraction)
    if field == (1 << exponent) - 1:
        return sign, NAN if rest else INF
    significand = rest if field == 0 else rest + (1 << fraction)
    return sign, (significand, max(field, 1) - bias(exponent) - fraction)


def bias(exponent):
    return (1 << (exponent - 1)) - 1


def nearest_even(m, shift):
    """m / 2**shift, rounded to the nearest even integer."""
    if shift <= 0:
        return m << -shift
    quotient, rest = divmod(m, 1 << shift)
    half = 1 << (shift - 1)
    return quotient + (rest > half or (rest == half and quotient & 1))


def encode(number, dtype):
    """The bits of a float: rounded once to nearest even, NaN the positive quiet one."""
    sign, value = number
    exponent, fraction = FLOATS[dtype]
    infinity = ((1 << exponent) - 1) << fraction
    if value == NAN:
        return infinity | 1 << (fraction - 1)
    sign_bit = sign << (exponent + fraction)
    if value == INF:
        return sign_bit | infinity
    m, e = value
    if m == 0:
        return sign_bit
    smallest = 1 - bias(exponent) - fraction  # exponent of the last bit of a subnormal
    last = max(e + m.bit_length() - (fraction + 1), smallest)
    m = nearest_even(m, last - e)
    if m == 1 << (fraction + 1):
        m, last = m >> 1, last + 1
    # The hidden bit of a normal number carries into the exponent's field.
    return sign_bit | min(m + ((last - smallest) << fraction), infinity)


def rounded(number, dtype):
    return decode(encode(number, dtype), dtype)


def multiply_and_add(x, a, b):
    """x * a + b, exactly."""
    (sx, vx), (sa, va), (sb, vb) = x, a, b
    sign = sx ^ sa
    if vx == NAN or (vx == INF and va[0] == 0):
        return 0, NAN
    if vx == INF:
        return sign, INF
    product, e = vx[0] * va[0], vx[1] + va[1]
    low = min(e, vb[1])
    one = (-1) ** sign * product << (e - low)
    other = (-1) ** sb * vb[0] << (vb[1] - low)
    total = one + other
    if total == 0:  # opposite numbers give +0, zeros of one sign that sign
        return sign & sb, (0, 0)
    return int(total < 0), (abs(total), low)


def to_integer(number, dtype):
    """The bits of a number as an integer: rounded to nearest even, saturated, NaN as 0."""
    sign, value = number
    low, high = INTEGERS[dtype]
    if value == NAN:
        return 0
    if value == INF:
        result = low if sign else high
    else:
        m, e = value
        result = (-1) ** sign * (nearest_even(m, -e) if e < 0 else m << e)
    return max(low, min(high, result)) % 2 ** (8 * ITEMSIZE[dtype])


def store(number, dtype):
    if dtype == "bool":
        return int(number[1] in (NAN, INF) or number[1][0] != 0)
    return encode(number, dtype) if dtype in FLOATS else to_integer(number, dtype)


# ------------------------------------------------------------------ channels


def colours(channels):
    """The number of channels without alpha, which is the last of 2 and of 4."""
    return channels - 1 if channels in (2, 4) else channels


def can_become(source, target):
    """True for the rows of the documentation's table of channels."""
    pairs = {(4, 3), (2, 1), (3, 4), (1, 2), (1, 4), (1, 3), (2, 3), (2, 4)}
    return source == target or (source, target) in pairs


def adds_alpha(source, target):
    return (source, target) in {(3, 4), (1, 2), (1, 4)}


def source_channel(c, source, target, reverse):
    """The source's channel for channel `c` of the result; None for the fill."""
    if source > 4:
        return source - 1 - c if reverse else c
    if c >= colours(target):
        return None if adds_alpha(source, target) else source - 1
    if colours(source) == 1:
        return 0
    return 2 - c if reverse and colours(source) == 3 else c


# ------------------------------------------------------------------ a transform


def per_channel(values, channels, otherwise):
    values = [otherwise] if values is None else values
    values = [values] if isinstance(values, (int, float)) else list(values)
    return [float(value) for value in (values * channels if len(values) == 1 else values)]


def as_number(value, dtype):
    """A Python float, rounded to a float dtype; None where it becomes infinite or is NaN."""
    if value != value or value in (float("inf"), float("-inf")):
        return None
    ratio = abs(value).as_integer_ratio()
    sign = int(str(value).startswith("-"))
    number = rounded((sign, (ratio[0], 1 - ratio[1].bit_length())), dtype)
    return None if number[1] == INF else number


def coefficients(scale, mean, std, channels, work):
    """Pairs (a, b) for each channel, rounded to the working type; None where one of them
    is not finite."""
    pairs = []
    for m, s in zip(per_channel(mean, channels, 0), per_channel(std, channels, 1), strict=True):
        if s == 0:
            return None
        a = as_number(scale / s, work)
        b = as_number(-0.0 if m == 0 else -m / s, work)
        if a is None or b is None:
            return None
        pairs.append((a, b))
    return pairs


def are_whole(scale, mean, std, channels):
    """True if no coefficient has a fraction."""
    means, stds = per_channel(mean, channels, 0), per_channel(std, channels, 1)
    return all(
        (scale / s).is_integer() and (-m / s).is_integer() for m, s in zip(means, stds, strict=True)
    )


def is_one(a, b):
    m, e = a[1]
    return b[1][0] == 0 and a[0] == 0 and e <= 0 and m == 1 << -e


def fill_bits(fill, dtype):
    if fill is None:
        fill = INTEGERS[dtype][1] if dtype in INTEGERS else 1
    ratio = abs(fill).as_integer_ratio()
    return store((int(fill < 0), (ratio[0], 1 - ratio[1].bit_length())), dtype)


def element(bits, source, target, pair, work):
    """The bits of one element of the result. `pair` is None where nothing is computed."""
    if pair is None and source == target:
        return int(bits)
    x = decode(bits, source)
    if pair is None and source not in FLOATS and target not in FLOATS:
        return store(x, target)
    if source in ("int64", "uint64"):
        x = rounded(x, "float64")
    if pair is not None:
        x = rounded(multiply_and_add(x, *pair), work)
    return store(x, target)


def each_element(channel, *how):
    patterns, inverse = np.unique(channel, return_inverse=True)
    target = how[1]
    results = [element(bits, *how) for bits in patterns.tolist()]
    table = np.array(results, f"u{ITEMSIZE[target]}")
    return table[inverse.reshape(channel.shape)]


def transform(
    image, source, target, *, scale=1, mean=None, std=None, reverse=False, channels=None, fill=None
):
    """`image`: bits of (N, H, W, C) elements of the dtype `source`. Returns those of the
    result, of the dtype `target`."""
    count = channels or image.shape[3]
    work = working_type(source, target)
    pairs = coefficients(float(scale), mean, std, count, work)
    plain = all(is_one(*pair) for pair in pairs)
    result = np.empty((*image.shape[:3], count), f"u{ITEMSIZE[target]}")
    for c, pair in enumerate(pairs):
        of = source_channel(c, image.shape[3], count, reverse)
        if of is None:
            result[..., c] = fill_bits(fill, target)
        else:
            result[..., c] = each_element(
                image[..., of], source, target, None if plain else pair, work
            )
    return result
