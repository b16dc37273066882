# SPDX-License-Identifier: Apache-2.0
"""The harness of the project's own benchmarks, on the timing loop, the images and the
conversions of viewcast.bench, which the package brings for `python -m viewcast bench`."""
