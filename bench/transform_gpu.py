# SPDX-License-Identifier: Apache-2.0
"""Transforms on a GPU, compared with torch, torch.compile, CuPy, CV-CUDA and a copy.

Bytes are each input read once and each output written once; the share is of the bandwidth
of a device-to-device copy in the same run (bytes read and written). Times are the GPU's:
of events around a call that is enqueued behind a delay, so that the host's time does not
count, over rotating buffers that exceed the caches. For one frame into out= the whole call
is timed too, and the launch of an empty kernel.
Methods that are not possible here are named with the reason.
"""

import argparse
import json
import math
import pathlib
import statistics
import sys
import time

import cupy
import torch
import torch._dynamo

import viewcast as vc

SIZES = {
    "1 x 1080p": (1, 1080, 1920),
    "32 x 1080p": (32, 1080, 1920),
    "64 x 2160p": (64, 2160, 3840),
}
MEAN, STD, SCALE = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 1 / 255
ROTATED = 512 * 2**20  # bytes, several times the L2
DELAY = 2_000_000  # cycles, about 1 ms


def random_bytes(*shape):
    return torch.randint(0, 256, shape, dtype=torch.uint8, device="cuda")


def constants(dtype=torch.float32):
    mean = torch.tensor(MEAN, device="cuda", dtype=dtype).view(3, 1, 1)
    std = torch.tensor(STD, device="cuda", dtype=dtype).view(3, 1, 1)
    return mean, std


# ------------------------------------------------------------------------ cases
#
# Each case makes sets of buffers (source, out), and yields its methods: functions of them.


class Normalise:
    """u8 NHWC to NCHW of a floating type, channels reversed."""

    def __init__(self, dtype):
        self.dtype, self.name = dtype, f"u8 NHWC -> {str(dtype)[6:]} NCHW"
        self.words = {"layout": "NCHW", "scale": SCALE, "mean": MEAN, "std": STD}
        self.words |= {"reverse_channels": True, "from_layout": "NHWC"}

    def bytes_moved(self, n, h, w):
        return n * h * w * 3 * (1 + self.dtype.itemsize)

    def buffers(self, n, h, w):
        return random_bytes(n, h, w, 3), torch.empty((n, 3, h, w), dtype=self.dtype, device="cuda")

    def viewcast(self, source, out):
        return vc.to_tensor(source, out=out, **self.words)

    def methods(self):
        mean, std = constants()

        def eager(source, out):
            planes = source.flip(3).permute(0, 3, 1, 2).float()
            return ((planes * SCALE - mean) / std).to(out.dtype)

        def compiled_function(source):
            planes = source.flip(3).permute(0, 3, 1, 2).float()
            return ((planes * SCALE - mean) / std).to(self.dtype).contiguous()

        compiled = torch.compile(compiled_function, dynamic=False)
        cp_mean, cp_std = (cupy.asarray(each) for each in (mean, std))
        kind = {torch.float32: cupy.float32, torch.float16: cupy.float16}[self.dtype]

        def with_cupy(source, out):
            planes = cupy.asarray(source)[..., ::-1].transpose(0, 3, 1, 2).astype(cupy.float32)
            return cupy.ascontiguousarray(((planes * SCALE - cp_mean) / cp_std).astype(kind))

        yield "torch", eager
        yield "torch.compile", lambda source, out: compiled(source)
        yield "CuPy", with_cupy
        yield from self.cvcuda_methods()

    def cvcuda_methods(self):
        import cvcuda

        manip = cvcuda.ChannelManip.REVERSE
        types = {torch.float32: cvcuda.Type.F32, torch.float16: cvcuda.Type.F16}

        def fused(source, out):
            """One scale and one offset for all channels: less work than the other methods do."""
            given, result = cvcuda.as_tensor(source, "NHWC"), cvcuda.as_tensor(out, "NCHW")
            size = (source.shape[2], source.shape[1])
            cvcuda.resize_crop_convert_reformat_into(
                result, given, size, cvcuda.Interp.NEAREST, (0, 0), manip=manip, scale=SCALE
            )
            return out

        mean, std = constants()
        base = cvcuda.as_tensor(mean.view(1, 1, 1, 3), "NHWC")
        spread = cvcuda.as_tensor(std.view(1, 1, 1, 3), "NHWC")
        flag = cvcuda.NormalizeFlags.SCALE_IS_STDDEV

        def chain(source, out):
            given = cvcuda.convertto(cvcuda.as_tensor(source, "NHWC"), types[self.dtype], SCALE)
            normal = cvcuda.normalize(given, base, spread, flag)
            cvcuda.reformat_into(cvcuda.as_tensor(out, "NCHW"), normal)
            return out

        yield "CV-CUDA fused", fused
        yield "CV-CUDA operators", chain


class NormaliseList(Normalise):
    """Pitched GpuMats to one batch."""

    def __init__(self):
        super().__init__(torch.float16)
        self.name = "list of pitched GpuMats -> float16 NCHW"
        del self.words["from_layout"]

    def buffers(self, n, h, w):
        pitch = (w * 3 + 511) // 512 * 512
        pixels = random_bytes(n, h, pitch)[:, :, : w * 3].unflatten(2, (w, 3))
        mats = [vc.as_gpumat(image) for image in pixels]
        return mats, torch.empty((n, 3, h, w), dtype=torch.float16, device="cuda")

    def methods(self):
        mean, std = constants()

        def eager(mats, out):
            batch = torch.stack([vc.as_tensor(mat) for mat in mats])
            planes = batch.flip(3).permute(0, 3, 1, 2).float()
            return ((planes * SCALE - mean) / std).half()

        yield "torch", eager


class ToInterleaved:
    """f32 NCHW to u8 NHWC, channels reversed."""

    name = "float32 NCHW -> u8 NHWC"

    def bytes_moved(self, n, h, w):
        return n * h * w * 3 * 5

    def buffers(self, n, h, w):
        source = torch.rand((n, 3, h, w), device="cuda")
        return source, torch.empty((n, h, w, 3), dtype=torch.uint8, device="cuda")

    def viewcast(self, source, out):
        words = {"layout": "NHWC", "from_layout": "NCHW", "scale": 255.0, "reverse_channels": True}
        return vc.to_tensor(source, out=out, **words)

    def methods(self):
        def function(source):
            numbers = (source * 255).round().clamp(0, 255).to(torch.uint8)
            return numbers.flip(1).permute(0, 2, 3, 1).contiguous()

        compiled = torch.compile(function, dynamic=False)

        def with_cupy(source, out):
            numbers = cupy.clip(cupy.rint(cupy.asarray(source) * 255), 0, 255).astype(cupy.uint8)
            return cupy.ascontiguousarray(numbers[:, ::-1].transpose(0, 2, 3, 1))

        yield "torch", lambda source, out: function(source)
        yield "torch.compile", lambda source, out: compiled(source)
        yield "CuPy", with_cupy


class Planes:
    """u8 NHWC to NCHW, and nothing else."""

    name = "u8 NHWC -> u8 NCHW"

    def bytes_moved(self, n, h, w):
        return n * h * w * 3 * 2

    def buffers(self, n, h, w):
        return random_bytes(n, h, w, 3), random_bytes(n, 3, h, w)

    def viewcast(self, source, out):
        return vc.to_tensor(source, out=out, layout="NCHW", from_layout="NHWC")

    def methods(self):
        def function(source):
            return source.permute(0, 3, 1, 2).contiguous()

        compiled = torch.compile(function, dynamic=False)

        def with_cupy(source, out):
            return cupy.ascontiguousarray(cupy.asarray(source).transpose(0, 3, 1, 2))

        yield "torch", lambda source, out: function(source)
        yield "torch.compile", lambda source, out: compiled(source)
        yield "CuPy", with_cupy
        yield from self.cvcuda_methods()

    def cvcuda_methods(self):
        import cvcuda

        def reformat(source, out):
            cvcuda.reformat_into(cvcuda.as_tensor(out, "NCHW"), cvcuda.as_tensor(source, "NHWC"))
            return out

        yield "CV-CUDA reformat", reformat


def make_cases():
    return [
        Normalise(torch.float32),
        Normalise(torch.float16),
        NormaliseList(),
        ToInterleaved(),
        Planes(),
    ]


# ------------------------------------------------------------------------- time


def time_on_gpu(call, sets, rounds):
    """Milliseconds of each round on the GPU, after calls that compile and load."""
    for n in range(2):
        call(*sets[n % len(sets)])
    torch.cuda.synchronize()
    times = []
    for n in range(rounds):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda._sleep(DELAY)
        begin.record()
        call(*sets[n % len(sets)])
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    return times


def copy_bandwidth(rounds):
    """Bytes per second, read and written."""
    size = 2 * 2**30
    given = torch.randint(0, 2**31, (size // 8,), dtype=torch.int64, device="cuda")
    sets = [(given, torch.empty_like(given)) for _ in range(2)]
    times = time_on_gpu(lambda source, out: out.copy_(source), sets, rounds)
    return 2 * size / (min(times) / 1000)


def seconds_a_call(call, calls, wait_each):
    call()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(calls):
        call()
        if wait_each:
            torch.cuda.synchronize()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / calls


def measure_calls(rounds, calls=1000):
    """µs of a whole call for one 1080p frame: minimum and median of the rounds."""
    case = Normalise(torch.float32)
    source, out = case.buffers(1, 1080, 1920)
    words = {key: value for key, value in case.words.items() if key != "from_layout"}
    mat, planes = vc.as_gpumat(source[0]), out[0]
    words["layout"] = "CHW"
    nothing = cupy.RawKernel('extern "C" __global__ void nothing() {}', "nothing")
    methods = {
        "kernel that does nothing (CuPy)": lambda: nothing((1,), (1,), ()),
        "to_tensor(tensor, out=)": lambda: case.viewcast(source, out),
        "to_tensor(GpuMat, out=)": lambda: vc.to_tensor(mat, out=planes, **words),
    }
    try:
        _, fused = next(iter(case.cvcuda_methods()))
        methods["CV-CUDA fused"] = lambda: fused(source, out)
    except ImportError:
        pass
    rows = []
    for name, call in methods.items():
        row = {"method": name}
        for key, wait_each in (("enqueued", False), ("waited", True)):
            times = [seconds_a_call(call, calls, wait_each) * 1e6 for _ in range(rounds)]
            row[key] = {"minimum": min(times), "median": statistics.median(times)}
        rows.append(row)
    return rows


# ----------------------------------------------------------------------- report


def possible_methods(case, alone):
    """Pairs (name, function); the function is None where a library is missing."""
    yield "viewcast", case.viewcast
    if alone:
        return
    try:
        yield from case.methods()
    except ImportError as error:
        yield f"not here: {error}", None


def measure(case, size, copied, rounds, alone):
    shape = SIZES[size]
    moved = case.bytes_moved(*shape)
    count = max(2, min(32, math.ceil(ROTATED / moved)))
    sets = [case.buffers(*shape) for _ in range(count)]
    reference = None
    for name, call in possible_methods(case, alone):
        row = {"case": case.name, "size": size, "method": name, "bytes": moved}
        try:
            if call is None:
                raise ImportError(name)
            result = call(*sets[0])
            if name == "viewcast":
                reference = result.flatten()[:1_000_000].float().clone()
            elif name == "torch":
                worst = (result.flatten()[:1_000_000].float() - reference).abs().max()
                row["off_by"] = float(worst)
            del result
            times = time_on_gpu(call, sets, rounds)
        except Exception as error:  # an error of one library; the others are still measured
            row["failed"] = f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"
        else:
            row["minimum_ms"], row["median_ms"] = min(times), statistics.median(times)
            row["share"] = moved / (row["median_ms"] / 1000) / copied
            row["best_share"] = moved / (row["minimum_ms"] / 1000) / copied
        yield row
    torch.cuda.empty_cache()


def show(row):
    head = f"{row['case']:<40} {row['size']:<11} {row['method']:<18}"
    if "failed" in row:
        print(head, row["failed"], flush=True)
        return
    note = f"  off by {row['off_by']:.2g}" if "off_by" in row else ""
    print(
        f"{head} {row['minimum_ms']:9.4f} {row['median_ms']:9.4f} ms "
        f"{100 * row['share']:5.1f} % (best {100 * row['best_share']:5.1f} %){note}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--only", default="", help="cases that contain this")
    parser.add_argument("--alone", action="store_true", help="viewcast, and no other way")
    parser.add_argument("--size", choices=SIZES, action="append")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    options = parser.parse_args()
    if vc.host_mode():
        sys.exit(f"this benchmark computes on a GPU; here: {vc.config()['machine']['reason']}")
    torch._dynamo.config.cache_size_limit = 64
    copied = copy_bandwidth(options.rounds)
    machine = {"gpu": torch.cuda.get_device_name(), "copy_gb_s": copied / 1e9}
    machine |= {"viewcast": vc.__version__, "torch": torch.__version__, "cupy": cupy.__version__}
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    print(f"{'case':<40} {'size':<11} {'method':<18} {'minimum':>9} {'median':>9}    of the copy")
    rows = []
    for case in make_cases():
        if options.only not in case.name:
            continue
        for size in options.size or SIZES:
            for row in measure(case, size, copied, options.rounds, options.alone):
                rows.append(row)
                show(row)
    calls = measure_calls(max(5, options.rounds // 3))
    print("\none 1080p frame, µs a whole call: enqueued one after another; waited for each")
    for row in calls:
        times = [f"{row[key][what]:8.2f}" for key in ("enqueued", "waited") for what in row[key]]
        print(f"{row['method']:<34}", *times, " (minimum, median)")
    if options.json:
        report = {"machine": machine, "cases": rows, "calls": calls}
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
