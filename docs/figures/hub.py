# SPDX-License-Identifier: Apache-2.0
"""Draws the hub and its spokes: hub-light.svg and hub-dark.svg beside this file."""

import pathlib
import sys
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 900, 470
TITLE = (
    "viewcast: one image in memory, seen by OpenCV, PyTorch, CuPy, NumPy "
    "and every consumer of DLPack"
)
SANS = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', sans-serif"
MONO = "ui-monospace, SFMono-Regular, Menlo, 'DejaVu Sans Mono', monospace"

THEMES = {
    "light": {
        "text": "#1b1f23",
        "faint": "#57606a",
        "line": "#8c959f",
        "box": "#f6f8fa",
        "hub": "#e6f6ef",
        "accent": "#0b7a5c",
    },
    "dark": {
        "text": "#e6edf3",
        "faint": "#9aa4af",
        "line": "#6e7681",
        "box": "#1c2128",
        "hub": "#12352a",
        "accent": "#3ddc97",
    },
}

# A sunset over hills: 12 x 4 pixels.
SKY = ["#33507f", "#6f6f9f", "#c98b8b", "#f2b36b"]
HILL, SUN = "#2f5d43", "#ffe08a"
HILLS = [1, 1, 2, 2, 1, 0, 0, 1, 2, 3, 2, 1]  # pixels of hill in each column


class Drawing:
    def __init__(self, colours, width, height, title):
        self.colours = colours
        self.size = width, height
        self.title = title
        self.parts = []

    def add(self, text):
        self.parts.append(text)

    def text(self, x, y, text, size=15, colour="text", mono=False, weight=400, anchor="middle"):
        font = MONO if mono else SANS
        self.add(
            f'<text x="{x}" y="{y}" font-family="{font}" font-size="{size}" '
            f'font-weight="{weight}" fill="{self.colours[colour]}" '
            f'text-anchor="{anchor}">{escape(text)}</text>'
        )

    def box(self, x, y, width, height, fill="box", stroke="line", thick=1.2, radius=12):
        self.add(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}" '
            f'fill="{self.colours[fill]}" stroke="{self.colours[stroke]}" '
            f'stroke-width="{thick}"/>'
        )

    def arrow(self, x1, y1, x2, y2, label, x, y):
        """Both ways, with the call that goes outwards."""
        self.add(
            f'<path d="M{x1} {y1} L{x2} {y2}" stroke="{self.colours["accent"]}" '
            'stroke-width="2" fill="none" marker-start="url(#head)" marker-end="url(#head)"/>'
        )
        self.text(x, y, label, 13, "accent", mono=True, weight=600)

    def spoke(self, x, y, name, what, where):
        self.box(x, y, 205, 84)
        self.text(x + 102, y + 29, name, 17, weight=600)
        self.text(x + 102, y + 51, what, 13, mono=True)
        self.text(x + 102, y + 71, where, 12, "faint")

    def picture(self, x, y, side=16):
        for column, hill in enumerate(HILLS):
            for row in range(4):
                colour = HILL if row >= 4 - hill else SKY[row]
                if (column, row) in ((5, 2), (6, 2)):
                    colour = SUN
                self.add(
                    f'<rect x="{x + column * side}" y="{y + row * side}" '
                    f'width="{side - 1}" height="{side - 1}" fill="{colour}"/>'
                )

    def svg(self):
        accent = self.colours["accent"]
        head = (
            '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
            'markerHeight="7" orient="auto-start-reverse">'
            f'<path d="M0 1 L10 5 L0 9 z" fill="{accent}"/></marker></defs>'
        )
        width, height = self.size
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
                f'width="{width}" height="{height}" role="img">',
                f"<title>{escape(self.title)}</title>",
                head,
                *self.parts,
                "</svg>\n",
            ]
        )


def draw(colours):
    out = Drawing(colours, WIDTH, HEIGHT, TITLE)
    out.spoke(20, 38, "OpenCV", "cv2.cuda.GpuMat", "4.x and 5.x, its allocator")
    out.spoke(20, 200, "NumPy", "numpy.ndarray", "host memory, cv2.Mat too")
    out.spoke(675, 38, "PyTorch", "torch.Tensor", "by its exchange table")
    out.spoke(675, 200, "CuPy", "cupy.ndarray", "on any of several GPUs")

    out.box(336, 24, 228, 274, "hub", "accent", 2, 16)
    out.text(450, 64, "viewcast", 24, "accent", weight=700)
    out.picture(354, 86)
    out.text(450, 180, "one memory", 15, weight=600)
    out.text(450, 200, "no pixel moves", 15, weight=600)
    out.text(450, 232, "address · shape · strides", 13, "faint")
    out.text(450, 253, "dtype · device", 13, "faint")
    out.text(450, 274, "owner · stream", 13, "faint")

    out.arrow(230, 80, 331, 80, "as_gpumat()", 280, 68)
    out.arrow(230, 242, 331, 242, "as_numpy()", 280, 230)
    out.arrow(569, 80, 670, 80, "as_tensor()", 620, 68)
    out.arrow(569, 242, 670, 242, "as_cupy()", 620, 230)
    out.arrow(450, 303, 450, 357, "view()", 484, 335)

    out.box(150, 362, 600, 84)
    out.text(450, 391, "anything else that describes its memory", 17, weight=600)
    out.text(450, 413, "DLPack · CUDA Array Interface · buffer protocol", 13, mono=True)
    out.text(450, 433, "JAX, Numba, cuda.core, Warp, CV-CUDA, video decoders …", 12, "faint")
    return out.svg()


def main():
    folder = pathlib.Path(__file__).parent
    for name, colours in THEMES.items():
        (folder / f"hub-{name}.svg").write_text(draw(colours), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
