# SPDX-License-Identifier: Apache-2.0
"""Writes the C file that puts the compiled kernels into the library.

embed_kernels.py FATBIN OUTPUT ARCHITECTURE...
"""

import hashlib
import pathlib
import sys

TEXT = """\
/* Written by tools/embed_kernels.py from a file whose SHA-256 is
 * {digest} */
#include "transform/embedded_kernels.h"

__asm__(".section .rodata\\n"
        ".balign 64\\n"
        ".globl vc_kernels_image\\n"
        ".hidden vc_kernels_image\\n"
        ".type vc_kernels_image, STT_OBJECT\\n"
        "vc_kernels_image:\\n"
        ".incbin \\"{path}\\"\\n"
        ".size vc_kernels_image, . - vc_kernels_image\\n"
        ".previous\\n");

extern const unsigned char vc_kernels_image[] __attribute__((visibility("hidden")));

const void *const vc_kernels_binary = vc_kernels_image;
const char vc_kernels_names[] = "{names}";
"""


def main():
    source, output, *names = sys.argv[1:]
    binary = pathlib.Path(source).resolve()
    digest = hashlib.sha256(binary.read_bytes()).hexdigest()
    path = str(binary).replace("\\", "\\\\\\\\").replace('"', '\\\\\\"')
    text = TEXT.format(digest=digest, path=path, names=" ".join(names))
    pathlib.Path(output).write_text(text)


main()
