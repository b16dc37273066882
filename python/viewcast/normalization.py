# SPDX-License-Identifier: Apache-2.0
"""Named sets of scale, mean and std, as models were trained with them.

``y = (x * scale - mean[c]) / std[c]``, with the channels in the order of the
result: the named ones are in RGB order, and OpenCV's pixels are BGR
(``reverse_channels=True``). They are made for 8-bit images: a scale of 1/255 of other
dtypes gives values that no model was trained with, so that is an error.
"""

from __future__ import annotations

from dataclasses import dataclass

from viewcast import _viewcast


@dataclass(frozen=True)
class Normalization:
    """An argument of `normalize=`: ``y = (x * scale - mean[c]) / std[c]``.

    mean, std: one value, or one for each channel of the result.

    source: the dtype of the images that it is made for, of any library; an image of another
    dtype is an error. None: any.

    ``dataclasses.replace(IMAGENET, scale=1 / 65535, source="uint16")`` makes one for
    another dtype.

    >>> half = vc.Normalization(scale=1 / 255, mean=0.5, std=0.5)
    >>> white = np.full((2, 2, 3), 255, np.uint8)
    >>> round(float(vc.to_numpy(white, dtype="float32", normalize=half).max()), 6)
    1.0
    """

    scale: float = 1.0
    mean: tuple[float, ...] | float = 0.0
    std: tuple[float, ...] | float = 1.0
    source: str | None = None

    def __post_init__(self) -> None:
        """Converts the fields to floats, tuples of floats and a dtype's name; and forms `_c`,
        which the extension reads."""
        made = _viewcast._normalization(self.scale, self.mean, self.std, self.source)
        for name, value in zip(("scale", "mean", "std", "source", "_c"), made, strict=True):
            object.__setattr__(self, name, value)


#: 8-bit values to 0 … 1.
UNIT = Normalization(scale=1 / 255, source="uint8")

#: 8-bit values to -1 … 1.
SYMMETRIC = Normalization(scale=1 / 255, mean=0.5, std=0.5, source="uint8")

#: The values of torchvision's models that were trained on ImageNet: Normalize(mean, std) after
#: ToTensor, which divides 8-bit values by 255
#: (https://docs.pytorch.org/vision/stable/models.html, "Using the pre-trained models").
IMAGENET = Normalization(1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), source="uint8")

#: The values of OpenAI's CLIP: _transform() of
#: https://github.com/openai/CLIP/blob/main/clip/clip.py, after ToTensor too.
CLIP = Normalization(
    1 / 255,
    (0.48145466, 0.4578275, 0.40821073),
    (0.26862954, 0.26130258, 0.27577711),
    source="uint8",
)

_NAMED = {"unit": UNIT, "symmetric": SYMMETRIC, "imagenet": IMAGENET, "clip": CLIP}


def named(name: str) -> Normalization:
    """The normalization that `normalize="imagenet"` names, in either case."""
    found = _NAMED.get(name.lower())
    if found is None:
        known = ", ".join(f'"{known}"' for known in _NAMED)
        raise ValueError(
            f"normalize is {name[:80]!r}, needs a viewcast.Normalization or one of {known}"
        )
    return found
