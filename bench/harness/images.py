# SPDX-License-Identifier: Apache-2.0
"""Images of all that the harness converts, beside those of viewcast.bench."""

import viewcast as vc
from viewcast.bench import ways


class Producer:
    """Of DLPack and of nothing else, and a cheap one: a View's memory behind two methods
    in Python. Tables of C functions and other protocols are not offered."""

    __slots__ = ("view",)

    def __init__(self, image):
        self.view = vc.view(image)

    def __dlpack__(self, **options):
        return self.view.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.view.__dlpack_device__()


class Images(ways.Images):
    def make_dlpack(self):
        return Producer(self.any_array())

    def make_view(self):
        return vc.view(self.any_array())
