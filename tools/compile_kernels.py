# SPDX-License-Identifier: Apache-2.0
"""Compiles the GPU kernels for one architecture, with NVRTC.

    compile_kernels.py --nvrtc LIBRARY --arch sm_90 -I FOLDER ... INPUT OUTPUT -- OPTION...

sm_XX gives machine code (a cubin), compute_XX gives PTX, whose text ends with a zero byte.
NVRTC opens no file: it is given the text of every header that INPUT includes, directly or
not, from the folders. These are what the file of --depfile names, for ninja. Of the C
library there is what STANDARD holds. OPTIONs are NVRTC's own.

With VIEWCAST_KERNEL_CACHE=FOLDER in the environment, what was compiled without a warning is kept
there, and taken from there where the same compiler would be given the same texts.
"""

import argparse
import ctypes
import hashlib
import os
import pathlib
import re
import sys

STANDARD = {
    "math.h": "#define NAN __int_as_float(0x7fffffff)\n",
    "stdbool.h": "",
    "stddef.h": "",
    "stdint.h": """\
typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long long int64_t;
typedef long long intptr_t;
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;
typedef unsigned long long uintptr_t;
#define INT8_MAX 127
#define INT8_MIN (-INT8_MAX - 1)
#define UINT8_MAX 255
#define INT16_MAX 32767
#define INT16_MIN (-INT16_MAX - 1)
#define UINT16_MAX 65535
#define INT32_MAX 2147483647
#define INT32_MIN (-INT32_MAX - 1)
#define UINT32_MAX 4294967295U
#define INT64_MAX 9223372036854775807LL
#define INT64_MIN (-INT64_MAX - 1)
#define UINT64_MAX 18446744073709551615ULL
#define INT64_C(value) value##LL
#define UINT64_C(value) value##ULL
""",
    "string.h": "",
}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*["<]([^">]+)[">]', re.M)


def find_headers(source, folders):
    """What `source` includes, and what that includes, as {name: path}. A name that is in
    no folder is left out, for NVRTC to complain of if it gets there."""
    found, unread = {}, [source]
    while unread:
        for name in INCLUDE.findall(unread.pop().read_text(encoding="utf-8")):
            paths = (folder / name for folder in folders)
            path = next((path for path in paths if path.is_file()), None)
            if path and name not in found:
                found[name] = path
                unread.append(path)
    return found


def strings(texts):
    return (ctypes.c_char_p * len(texts))(*(text.encode() for text in texts))


class Compiler:
    """NVRTC, as far as it is needed."""

    def __init__(self, library):
        self.library = ctypes.CDLL(library)
        self.library.nvrtcGetErrorString.restype = ctypes.c_char_p

    def call(self, function, *arguments):
        result = getattr(self.library, function)(*arguments)
        if result != 0:
            sys.exit(f"{function}: {self.library.nvrtcGetErrorString(result).decode()}")

    def get(self, program, what):
        """What nvrtcGet<what> gives, whose size nvrtcGet<what>Size tells."""
        size = ctypes.c_size_t()
        self.call(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        text = ctypes.create_string_buffer(size.value)
        self.call(f"nvrtcGet{what}", program, text)
        return text.raw

    def compile(self, source, headers, arch, options):
        """The binary, and what the compiler said; the binary is None if it failed."""
        program = ctypes.c_void_p()
        names, texts = strings(list(headers)), strings(list(headers.values()))
        text, name = source.read_bytes(), source.name.encode()
        self.call(
            "nvrtcCreateProgram", ctypes.byref(program), text, name, len(headers), texts, names
        )
        words = strings([f"-arch={arch}", *options])
        failed = self.library.nvrtcCompileProgram(program, len(words), words) != 0
        said = self.get(program, "ProgramLog").rstrip(b"\0").decode().strip()
        if failed:
            return None, said
        return self.get(program, "CUBIN" if arch.startswith("sm_") else "PTX"), said


def cache_file(asked, texts):
    """Where the cache has the binary, or would have it; None without a cache."""
    folder = os.environ.get("VIEWCAST_KERNEL_CACHE")
    if not folder:
        return None
    library = hashlib.sha256(pathlib.Path(asked.nvrtc).read_bytes()).hexdigest()
    key = repr([library, asked.arch, asked.options, asked.input.read_bytes(), texts])
    return pathlib.Path(folder, hashlib.sha256(key.encode()).hexdigest())


def write_depfile(path, target, inputs):
    def escaped(name):
        return str(name).replace("\\", "\\\\").replace(" ", "\\ ").replace("$", "$$")

    path.write_text(f"{escaped(target)}: {' '.join(map(escaped, inputs))}\n")


def read_arguments():
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--nvrtc", required=True, metavar="LIBRARY")
    parser.add_argument("--arch", required=True, metavar="ARCHITECTURE")
    parser.add_argument("--depfile", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--werror", action="store_true", help="a warning is an error")
    parser.add_argument("-I", dest="folders", action="append", default=[], type=pathlib.Path)
    parser.add_argument("input", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("options", nargs="*", metavar="OPTION")
    return parser.parse_args()


def main():
    asked = read_arguments()
    paths = find_headers(asked.input, asked.folders)
    texts = {name: path.read_text(encoding="utf-8") for name, path in paths.items()}
    texts = STANDARD | texts
    cached = cache_file(asked, texts)
    if cached and cached.is_file():
        binary, said = cached.read_bytes(), ""
    else:
        binary, said = Compiler(asked.nvrtc).compile(asked.input, texts, asked.arch, asked.options)
    if said:
        print(said, file=sys.stderr)
    if binary is None or (said and asked.werror):
        sys.exit(f"{asked.input} does not compile for {asked.arch} with {asked.nvrtc}")
    asked.output.write_bytes(binary)
    if cached and not said:
        cached.parent.mkdir(parents=True, exist_ok=True)
        partial = cached.with_suffix(f".{os.getpid()}")
        partial.write_bytes(binary)
        partial.replace(cached)
    if asked.depfile:
        inputs = [asked.input, *paths.values(), pathlib.Path(__file__)]
        write_depfile(asked.depfile, asked.output, inputs)


if __name__ == "__main__":
    main()
