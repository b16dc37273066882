# SPDX-License-Identifier: Apache-2.0
"""Prints the include folder of DLPack's header as apache-tvm-ffi ships it.

Finds the package without importing it: its own libraries are not needed.
"""

import importlib.util
import pathlib
import sys

spec = importlib.util.find_spec("tvm_ffi")
for folder in (spec and spec.submodule_search_locations) or ():
    include = pathlib.Path(folder, "include")
    if (include / "dlpack" / "dlpack.h").is_file():
        print(include)
        sys.exit()
sys.exit("the Python package apache-tvm-ffi is not installed")
