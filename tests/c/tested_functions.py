# SPDX-License-Identifier: Apache-2.0
"""Each function of the public header has a test of its arguments.

python tested_functions.py PUBLIC_HEADER PRIVATE_HEADER... TEST...
"""

import pathlib
import re
import sys

texts = {path: pathlib.Path(path).read_text(encoding="utf-8") for path in sys.argv[1:]}
headers = [text for path, text in texts.items() if path.endswith(".h")]
tests = [text for path, text in texts.items() if path.endswith(".c")]
public = set(re.findall(r"^VC_API [^;]*?\b(vc_\w+)\(", headers[0], re.MULTILINE))
private = set(re.findall(r"\b(vc_\w+)\(", "".join(headers[1:])))
tested = [name for test in tests for name in re.findall(r"\bTESTED\((\w+)\)", test)]
missing = sorted(public - set(tested))
unknown = sorted(set(tested) - public - private)
if missing or unknown or len(tested) != len(set(tested)):
    sys.exit(f"without a test of their arguments: {missing}; tested and not declared: {unknown}")
print(f"{len(public)} functions of the public header, {len(tested) - len(public)} others")
