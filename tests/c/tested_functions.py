# SPDX-License-Identifier: Apache-2.0
"""Each function of a header has a test of its arguments.

python tested_functions.py HEADER TEST...
"""

import pathlib
import re
import sys

header, *tests = (pathlib.Path(path).read_text(encoding="utf-8") for path in sys.argv[1:])
declared = re.findall(r"^VC_API [^;]*?\b(vc_\w+)\(", header, re.MULTILINE)
tested = [name for test in tests for name in re.findall(r"\bTESTED\((\w+)\)", test)]
missing = sorted(set(declared) - set(tested))
unknown = sorted(set(tested) - set(declared))
if missing or unknown or len(tested) != len(set(tested)):
    sys.exit(f"without a test of their arguments: {missing}; tested and not declared: {unknown}")
print(f"{len(tested)} functions")
