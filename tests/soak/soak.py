# SPDX-License-Identifier: Apache-2.0
"""`make soak`: millions of conversions in random mixes, then the books.

    python tests/soak/soak.py [--conversions 10000000] [--minutes M] [--threads N] [--gpu]

Host and device memory must be flat, and what was lent, shared and exported must
have come back, exactly. --gpu runs kernels of cv2.cuda, torch and CuPy between the
conversions and compares pixels; without it everything is in host mode.
"""

import argparse
import contextlib
import gc
import random
import sys
import threading
import time

import cupy
import cv2
import numpy as np
import torch

import viewcast as vc

CONVERT = [vc.as_gpumat, vc.as_tensor, vc.as_cupy, vc.as_numpy, vc.view]
SHAPES = [(4, 5, 3), (32, 48), (32, 48, 4), (1, 9, 3), (120, 160, 3)]
DTYPES = ["uint8", "int16", "float32"]
REFUSED = (vc.ViewError, TypeError, ValueError)
HOST_SLACK = 8 << 20  # bytes that allocators may keep between two looks
DEVICE_SLACK = 32 << 20


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def settle():
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    for _ in range(3):
        gc.collect()
        vc.collect()


class Host:
    """Images in host memory, and what is done with them: views alone."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def image(self):
        shape, dtype = self.random.choice(SHAPES), self.random.choice(DTYPES)
        array = np.full(shape, self.random.randrange(100), dtype)
        kind = self.random.randrange(3)
        return array if kind == 0 else torch.from_numpy(array) if kind == 1 else vc.view(array)

    def convert(self, image):
        return self.random.choice(CONVERT)(image)

    def use(self, image):
        if isinstance(image, cv2.cuda.GpuMat) and self.random.random() < 0.3:
            rows = image.size()[1]
            return image.rowRange(0, max(1, rows // 2))
        if isinstance(image, vc.View) and self.random.random() < 0.1:
            return torch.from_dlpack(image)
        return image

    def used(self):
        return 0

    def check(self):
        """One way through every library: the pixels are those at the start."""
        array = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
        mat = vc.as_gpumat(torch.from_numpy(array))
        assert (vc.as_numpy(vc.as_tensor(vc.as_gpumat(vc.as_cupy(mat)))) == array).all()


class Gpu(Host):
    """Images on the GPU, with work of each library between the conversions, some of
    it on streams of its own."""

    def __init__(self, seed):
        super().__init__(seed)
        self.torch_stream = torch.cuda.Stream()
        self.cv2_stream = cv2.cuda.Stream()

    def image(self):
        shape, dtype = self.random.choice(SHAPES), self.random.choice(DTYPES)
        value = self.random.randrange(100)
        kind = self.random.randrange(3)
        if kind == 0:
            return torch.full(shape, value, dtype=getattr(torch, dtype), device="cuda")
        if kind == 1:
            return cupy.full(shape, value, dtype)
        mat = cv2.cuda.GpuMat()
        mat.upload(np.full(shape, value, dtype))
        return mat

    def convert(self, image):
        return self.random.choice([vc.as_gpumat, vc.as_tensor, vc.as_cupy, vc.view])(image)

    def use(self, image):
        image = super().use(image)
        if self.random.random() > 0.2:
            return image
        if isinstance(image, torch.Tensor):
            with torch.cuda.stream(self.torch_stream):
                vc.as_tensor(vc.as_gpumat(image)).add_(0)  # a view, on another stream
        elif isinstance(image, cupy.ndarray):
            image += 0
        elif isinstance(image, cv2.cuda.GpuMat):
            return cv2.cuda.flip(image, 1, stream=self.cv2_stream) if self.flips(image) else image
        return image

    def flips(self, mat):
        return mat.channels() in (1, 3, 4) and mat.depth() in (cv2.CV_8U, cv2.CV_32F)

    def used(self):
        torch.cuda.empty_cache()
        cupy.get_default_memory_pool().free_all_blocks()
        free, total = torch.cuda.mem_get_info()
        return total - free

    def check(self):
        """Work in flight on a side stream is seen by the next library."""
        with torch.cuda.stream(self.torch_stream):
            tensor = torch.zeros(1080, 1920, 3, dtype=torch.uint8, device="cuda")
            for _ in range(50):
                tensor += 1
            mat = vc.as_gpumat(tensor)
            del tensor
        resized = cv2.cuda.flip(mat, 0)
        assert (resized.download() == 50).all()


def work(setting, count, deadline, made, failures):
    """Conversions of a few images that come and go."""
    alive, done = [], 0
    choose = setting.random
    try:
        while done < count and time.monotonic() < deadline:
            if len(alive) < 3 or choose.random() < 0.1:
                alive.append(setting.image())
            image = alive[choose.randrange(len(alive))]
            with contextlib.suppress(REFUSED):  # a view that its target can't show
                alive.append(setting.use(setting.convert(image)))
            done += 1
            while len(alive) > 12:
                del alive[choose.randrange(len(alive))]
            if done % 20000 == 0:
                setting.check()
    except BaseException as error:
        failures.append(error)
    made.append(done)


def run_round(settings, count, deadline):
    made, failures = [], []
    share = -(-count // len(settings))
    threads = [
        threading.Thread(target=work, args=(setting, share, deadline, made, failures))
        for setting in settings
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return sum(made)


def check_books(before):
    now = vc.statistics()
    for key in ("lends", "shares", "exports"):
        made, back = (now[name] - before[name] for name in (key, f"{key}_released"))
        assert made == back, f"{key}: {made} made, {back} came back"
    assert now["put_off"] == 0
    return {key: now[key] - before[key] for key in ("lends", "shares", "exports")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--conversions", type=int, default=10_000_000)
    parser.add_argument("--minutes", type=float, help="instead of a number of conversions")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=20, help="looks at the books")
    parser.add_argument("--gpu", action="store_true")
    options = parser.parse_args()
    if options.gpu and vc.host_mode():
        sys.exit("soak: --gpu, and this process sees no GPU: " + vc.mode_reason())
    if not options.gpu and not vc.host_mode():
        sys.exit("soak: there is a GPU; use --gpu, or run with CUDA_VISIBLE_DEVICES= (empty)")

    kind = Gpu if options.gpu else Host
    settings = [kind(seed) for seed in range(options.threads)]
    seconds = options.minutes * 60 if options.minutes else float("inf")
    total = 2**62 if options.minutes else options.conversions
    start = time.monotonic()
    run_round(settings, 50_000, start + 60)  # caches, pools, arenas
    settle()
    vc.collect(force=True)
    before = vc.statistics()
    host, device, done = resident(), settings[0].used(), 0
    per_round = 100_000 if options.minutes else -(-total // options.rounds)
    began = time.monotonic()
    while done < total and time.monotonic() < began + seconds:
        done += run_round(settings, min(per_round, total - done), began + seconds)
        settle()
        counts = check_books(before)
        grown, device_grown = resident() - host, settings[0].used() - device
        print(
            f"{done:>11,} conversions, {time.monotonic() - began:7.0f} s, host {grown:+,} bytes, "
            f"device {device_grown:+,} bytes, {counts}",
            flush=True,
        )
        assert grown < HOST_SLACK, "host memory grows"
        assert device_grown < DEVICE_SLACK, "device memory grows"
    print("soak: every count exact, memory flat")


if __name__ == "__main__":
    main()
