# SPDX-License-Identifier: Apache-2.0
"""The methods of each conversion: viewcast's, those of other libraries, and the floor."""

from dataclasses import dataclass, field

import viewcast as vc
from viewcast import savant
from viewcast.bench import conversions
from viewcast.bench.conversions import CALL, Conversion, Floor, Missing, load, prepare

from . import peers
from .sources import Images

CONVERSIONS = (
    *conversions.CONVERSIONS,
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
    """The class of the exception and the beginning of its message."""
    line = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {line if len(line) < 120 else line[:119] + '…'}"


@dataclass
class Setup:
    """The settings of all sections: conversions, numbers of calls, and what was skipped."""

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
        """Pairs of a conversion and make(conversion, images), where that does not raise Missing."""
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
class Method:
    conversion: str
    name: str
    kind: str
    names: dict
    statement: str = CALL
    share: float = 1  # of the other methods' number of calls
    note: str = ""


def floor_of(conversion, images):
    """The least time in which Python can make such a result; None for a View."""
    if conversion.target == "view":
        return None
    if conversion.source != "dlpack":
        return conversions.floor_of(conversion, images)
    names = {"f": load("cv2").cuda.GpuMat, "x": images["dlpack"], "version": (1, 3)}
    stream = "" if vc.host_mode() else "stream=1, "
    call = f"x.__dlpack__({stream}max_version=version, copy=False); f()"
    return Floor("__dlpack__, GpuMat", names, call)


def methods_of(conversion, images):
    """The methods of one conversion, and pairs of a skipped method and the reason."""
    name, names = conversion.name, prepare(conversion, images)
    found, skipped = [Method(name, "viewcast", OWN, names)], []
    if conversion.slug in SAVANTS:
        function = getattr(savant, SAVANTS[conversion.slug])
        own_name = {"f": function, "x": names["x"]}
        found.append(Method(name, "viewcast, Savant's name", "savant", own_name))
    for peer, make in peers.of(conversion, images):
        try:
            method = Method(name, peer, PEER, **make())
            exec(method.statement, method.names)
        except Missing as reason:
            skipped.append((f"{name}, {peer}", str(reason)))
        except Exception as error:  # other libraries raise exceptions of any class
            why = f"not possible with these versions: {said(error)}"
            skipped.append((f"{name}, {peer}", why))
        else:
            found.append(method)
    if floor := floor_of(conversion, images):
        found.append(Method(name, f"floor: {floor.name}", FLOOR, floor.names, floor.statement))
    return found, skipped
