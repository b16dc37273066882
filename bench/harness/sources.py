# SPDX-License-Identifier: Apache-2.0
"""The sources that the harness converts, in addition to those of viewcast.bench."""

import viewcast as vc
from viewcast.bench import conversions


class Producer:
    """A cheap DLPack producer without other protocols or exchange table: two methods in
    Python over a View's memory."""

    __slots__ = ("view",)

    def __init__(self, image):
        self.view = vc.view(image)

    def __dlpack__(self, **options):
        return self.view.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.view.__dlpack_device__()


class Images(conversions.Images):
    def make_dlpack(self):
        return Producer(self.any_array())

    def make_view(self):
        return vc.view(self.any_array())
