# SPDX-License-Identifier: Apache-2.0
"""`python -m viewcast convert`: a picture or video file, as a model wants its pixels.

`reading` decodes, `writing` encodes; what lies between is one `to_numpy`.
"""

import argparse
import pathlib
import sys

EXAMPLES = """examples:
  viewcast convert in.png out.npy --layout NCHW --dtype float16 \\
      --normalize imagenet
  viewcast convert in.mp4 out.npz --frames 0:10 --layout NCHW
  viewcast convert in.mp4 frame-%03d.png --frames 0:100:25
  viewcast convert tensor.npy out.png --from-layout CHW"""
NORMALIZATIONS = ("imagenet", "clip", "unit", "symmetric")


def add_command(commands):
    parser = commands.add_parser(
        "convert",
        help="a picture or video file to .npy, .npz or pictures, in any layout",
        description="Reads a picture, a video or an array, re-lays its pixels in one pass\n"
        "(layout, type, scale, channel order), and writes them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", type=pathlib.Path, help="a picture, a video or a .npy file")
    parser.add_argument(
        "output",
        type=pathlib.Path,
        help="a .npy or .npz file, or a picture; several pictures need a %%d in the name",
    )
    layouts = ("HWC", "CHW", "NHWC", "NCHW")
    parser.add_argument("--layout", choices=layouts, help="of the result; default: as read")
    parser.add_argument("--from-layout", choices=layouts, help="of a .npy file that is planar")
    parser.add_argument("--dtype", metavar="TYPE", help='of the result, as "float16"')
    parser.add_argument(
        "--normalize",
        choices=NORMALIZATIONS,
        help="mean and deviation that a model was trained with, or 0 to 1, or -1 to 1",
    )
    parser.add_argument("--scale", type=float, help="y = (x * scale - mean) / std")
    parser.add_argument("--mean", type=numbers, metavar="M,M,M", help="one, or one a channel")
    parser.add_argument("--std", type=numbers, metavar="S,S,S")
    parser.add_argument("--channels", type=int, metavar="N", help="4: add alpha, 3: drop it")
    parser.add_argument("--bgr", action="store_true", help="OpenCV's order of channels")
    parser.add_argument(
        "--frames",
        type=frames,
        metavar="A:B:STEP",
        help="of a video, as Python's slices; default: the first",
    )
    parser.add_argument(
        "--device", default="cpu", help='where the work is done: "cpu" (default) or "cuda:0"'
    )
    parser.set_defaults(run=run)


def numbers(text):
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number, or several as 1,2,3") from None
    return values[0] if len(values) == 1 else values


def frames(text):
    parts = text.split(":")
    good = len(parts) <= 3 and all(part.isdecimal() or not part for part in parts)
    if not good or text == "" or parts[2:] == ["0"]:
        raise argparse.ArgumentTypeError(f"{text!r} is no frame number and no 0:10 or 0:100:25")
    numbers = [int(part) if part else None for part in parts]
    return slice(numbers[0], numbers[0] + 1) if len(numbers) == 1 else slice(*numbers)


def run(options):
    from . import work

    try:
        print(work.convert(options))
    except (work.Refused, ImportError, OSError, ValueError, *work.errors()) as error:
        print(f"viewcast convert: {error}", file=sys.stderr)
        return 2
    return 0
