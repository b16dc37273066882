# SPDX-License-Identifier: Apache-2.0
"""All ways of each conversion: viewcast's, others', and the floor."""

from dataclasses import dataclass, field

import viewcast as vc
from viewcast import savant
from viewcast.bench import ways
from viewcast.bench.ways import CALL, Conversion, Floor, Missing, load, prepare

from . import peers
from .images import Images

CONVERSIONS = (
    *ways.CONVERSIONS,
    Conversion("DLPack -> GpuMat", "dlpack", "gpumat", "as_gpumat", "cv2"),
    Conversion("torch -> View", "torch", "view", "view"),
    Conversion("CuPy -> View", "cupy", "view", "view"),
)
OWN, PEER, FLOOR = "own", "peer", "floor"
SAVANTS = {
    "torch-gpumat": "pytorch_tensor_as_opencv_gpu_mat",
    "gpumat-torch": "opencv_gpu_mat_as_pytorch_tensor",
    "cupy-gpumat": "cupy_array_as_opencv_gpu_mat",
    "gpumat-cupy": "opencv_gpu_mat_as_cupy_array",
}


def said(error):
    """The beginning of what it says."""
    line = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {line if len(line) < 120 else line[:119] + '…'}"


@dataclass
class Setup:
    """What all sections are given: what to convert, how often, and where to say what not."""

    conversions: list = field(default_factory=lambda: list(CONVERSIONS))
    rounds: int = 25
    calls: int = 5_000
    threads: tuple = ()
    millions: float = 0
    images: Images = field(default_factory=Images)
    skipped: list = field(default_factory=list)

    def number(self, share=1):
        return max(1, round(self.calls * share))

    def each(self, make):
        """Pairs of a conversion and make(conversion, images), where that is possible."""
        for conversion in self.conversions:
            try:
                yield conversion, make(conversion, self.images)
            except Missing as reason:
                self.skip(conversion.name, str(reason))

    def skip(self, what, reason):
        entry = {"what": what, "why": reason}
        if entry not in self.skipped:
            self.skipped.append(entry)


@dataclass
class Way:
    conversion: str
    name: str
    kind: str
    names: dict
    statement: str = CALL
    share: float = 1  # of the calls that others get
    note: str = ""


def floor_of(conversion, images):
    """The least that the result can cost in Python; None for a View."""
    if conversion.target == "view":
        return None
    if conversion.source != "dlpack":
        return ways.floor_of(conversion, images)
    names = {"f": load("cv2").cuda.GpuMat, "x": images["dlpack"], "version": (1, 3)}
    stream = "" if vc.host_mode() else "stream=1, "
    call = f"x.__dlpack__({stream}max_version=version, copy=False); f()"
    return Floor("__dlpack__, GpuMat", names, call)


def ways_of(conversion, images):
    """All ways of one conversion, and pairs of a way that cannot go here and why."""
    name, names = conversion.name, prepare(conversion, images)
    found, skipped = [Way(name, "viewcast", OWN, names)], []
    if conversion.slug in SAVANTS:
        function = getattr(savant, SAVANTS[conversion.slug])
        own_name = {"f": function, "x": names["x"]}
        found.append(Way(name, "viewcast, Savant's name", "savant", own_name))
    for peer, make in peers.of(conversion, images):
        try:
            way = Way(name, peer, PEER, **make())
            exec(way.statement, way.names)
        except Missing as reason:
            skipped.append((f"{name}, {peer}", str(reason)))
        except Exception as error:  # not ours: it raises what it likes
            why = f"not possible with these versions: {said(error)}"
            skipped.append((f"{name}, {peer}", why))
        else:
            found.append(way)
    if floor := floor_of(conversion, images):
        found.append(Way(name, f"floor: {floor.name}", FLOOR, floor.names, floor.statement))
    return found, skipped
