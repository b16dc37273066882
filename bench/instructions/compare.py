# SPDX-License-Identifier: Apache-2.0
"""Compares counts with the record."""

# Two runs of one build do not differ in the extension's instructions, and by 0.2 % in all.
# But the addresses of a build's objects decide which entries of Python's caches collide: up
# to 80 instructions more or fewer, 4 % of the shortest call.
TOLERANCES = {"own": 0.02, "total": 0.06}
# Where versions differ from those of the record.
LOOSE = 0.25
# The versions that `own` depends on; `total` depends on every version.
OWN_KEYS = ("compiler", "cupy", "machine", "opencv", "opencv_cuda", "python", "torch")


def without_details(key, version):
    """The part of a version that changes `own`: 3.11 of 3.11.7, 2.13.0 of 2.13.0+cpu."""
    if key == "python":
        return ".".join(version.split(".")[:2])
    return version.split("+")[0] if key == "torch" and version else version


def differing(recorded, counted):
    """The versions that differ for `own`, and for `total`."""
    own = [
        key
        for key in OWN_KEYS
        if without_details(key, recorded.get(key)) != without_details(key, counted[key])
    ]
    return own, [key for key in sorted(counted) if recorded.get(key) != counted[key]]


def compare(recorded, counted):
    """(failures, remarks), each a list of lines."""
    failures, remarks = [], []
    tolerances = {}
    for what, keys in zip(
        ("own", "total"), differing(recorded["versions"], counted["versions"]), strict=True
    ):
        tolerances[what] = LOOSE if keys else TOLERANCES[what]
        if keys:
            changes = ", ".join(
                f"{key} {recorded['versions'].get(key)} → {counted['versions'][key]}"
                for key in keys
            )
            remarks.append(f"{what}: within {LOOSE:.0%} only, for versions differ: {changes}")
    for slug, before in recorded["counts"].items():
        if slug not in counted["counts"]:
            reason = counted["skipped"].get(slug, "no such conversion any more")
            failures.append(f"{slug}: recorded, and not counted now: {reason}")
            continue
        for what, tolerance in tolerances.items():
            now = counted["counts"][slug][what]
            change = now / before[what] - 1
            line = f"{slug}, {what}: {before[what]:,.0f} → {now:,.0f} ({change:+.1%})"
            if change > tolerance:
                failures.append(f"{line}, more than {tolerance:.0%}")
            elif change < -tolerance:
                remarks.append(f"{line}: fewer; keep it so with make record-instructions")
    for slug in counted["counts"].keys() - recorded["counts"].keys():
        remarks.append(f"{slug}: not recorded yet; make record-instructions")
    return failures, remarks
