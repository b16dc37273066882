# SPDX-License-Identifier: Apache-2.0
"""Writes the C file that puts the compiled kernels into the library.

    embed_kernels.py OUTPUT IMAGE...

Images are files of compile_kernels.py, named by their architecture: machine code
(sm_90.cubin) by ascending capability, then PTX (compute_90.ptx), whose head tells the
version of the compiler.
"""

import hashlib
import pathlib
import re
import sys

HEAD = """\
/* Written by tools/embed_kernels.py. */
#include "transform/embedded_kernels.h"
"""

# The SHA-256 changes this file, which so is compiled anew, with each image.
IMAGE = """
/* {digest} */
__asm__(".section .rodata\\n"
        ".balign 64\\n"
        ".hidden vc_kernels_{name}\\n"
        ".globl vc_kernels_{name}\\n"
        ".type vc_kernels_{name}, STT_OBJECT\\n"
        "vc_kernels_{name}:\\n"
        ".incbin \\"{path}\\"\\n"
        ".size vc_kernels_{name}, . - vc_kernels_{name}\\n"
        ".previous\\n");
extern const unsigned char vc_kernels_{name}[] __attribute__((visibility("hidden")));
"""

TABLE = """
const vc_kernel_image vc_kernel_images[] = {{
{rows}
}};
const int32_t vc_kernel_image_count = {count};
_Static_assert({count} <= VC_MOST_KERNEL_IMAGES, "VC_MOST_KERNEL_IMAGES is too small");
const char vc_kernels_names[] = "{names}";
const char vc_kernels_compiler[] = "{compiler}";
"""


def embed(image):
    path = str(image.resolve()).replace("\\", "\\\\\\\\").replace('"', '\\\\\\"')
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    return IMAGE.format(digest=digest, name=image.stem, path=path)


def row(image):
    capability = image.stem.partition("_")[2]
    is_ptx = str(image.suffix == ".ptx").lower()
    return (
        f'    {{"{image.stem}", {capability}, {is_ptx}, vc_kernels_{image.stem},'
        f" {image.stat().st_size}}},"
    )


def compiler_of(images):
    """As the head of the PTX has it, "12.9.86"."""
    (ptx,) = (each for each in images if each.suffix == ".ptx")
    return re.search(rb"Cuda compilation tools, .*V([\d.]+)", ptx.read_bytes())[1].decode()


def main():
    output, *images = map(pathlib.Path, sys.argv[1:])
    table = TABLE.format(
        rows="\n".join(map(row, images)),
        count=len(images),
        names=" ".join(each.stem for each in images),
        compiler=compiler_of(images),
    )
    output.write_text(HEAD + "".join(map(embed, images)) + table)


if __name__ == "__main__":
    main()
