# SPDX-License-Identifier: Apache-2.0
"""Named sets of scale, mean and std: what models were trained with.

``y = (x * scale - mean[c]) / std[c]``, with the channels in the order of the
result: the named ones are in RGB order, and OpenCV's pixels are BGR
(``reverse_channels=True``).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Normalization:
    """What `normalize=` takes: ``y = (x * scale - mean[c]) / std[c]``.

    mean, std: one value, or one for each channel of the result.
    """

    scale: float = 1.0
    mean: tuple[float, ...] | float = 0.0
    std: tuple[float, ...] | float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", float(self.scale))
        object.__setattr__(self, "mean", _values(self.mean))
        object.__setattr__(self, "std", _values(self.std))


def _values(values: object) -> tuple[float, ...] | float:
    """Numbers as they are compared and hashed: a float, or a tuple of them."""
    try:
        return tuple(float(value) for value in values)  # type: ignore[attr-defined]
    except TypeError:
        return float(values)  # type: ignore[arg-type]


#: 8-bit values to 0 … 1.
UNIT = Normalization(scale=1 / 255)

#: 8-bit values to -1 … 1.
SYMMETRIC = Normalization(scale=1 / 255, mean=0.5, std=0.5)

#: What torchvision's models were trained with on ImageNet: Normalize(mean, std) after
#: ToTensor, which divides 8-bit values by 255
#: (https://docs.pytorch.org/vision/stable/models.html, "Using the pre-trained models").
IMAGENET = Normalization(1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

#: What OpenAI's CLIP was trained with: _transform() of
#: https://github.com/openai/CLIP/blob/main/clip/clip.py, after ToTensor too.
CLIP = Normalization(
    1 / 255, (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
)
