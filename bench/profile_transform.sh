#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Memory traffic of the main GPU kernels, counted by Nsight Compute over one launch each at
# 32 x 1080p, and the least number of bytes. Needs ncu, and a viewcast that $PYTHON imports.
# Arguments go to ncu.
set -euo pipefail
cd "$(dirname "$0")/.."

program=$(mktemp --suffix .py)
trap 'rm -f "$program"' EXIT
cat >"$program" <<'PY'
import torch
import viewcast as vc

N, H, W = 32, 1080, 1920
pixels = torch.randint(0, 256, (N, H, W, 3), dtype=torch.uint8, device="cuda")
words = {"scale": 1 / 255, "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4)}
for dtype in (torch.float32, torch.float16, torch.uint8):
    some = words if dtype.is_floating_point else {}
    planes = vc.to_tensor(pixels, from_layout="NHWC", layout="NCHW", dtype=dtype, **some)
    fewest = pixels.nbytes + planes.nbytes
    print(f"u8 NHWC -> {dtype} NCHW: at least {fewest / 1e6:.1f} MB", flush=True)
    if dtype == torch.float32:
        back = vc.to_tensor(planes, from_layout="NCHW", layout="NHWC", dtype="uint8", scale=255.0)
        fewest = planes.nbytes + back.nbytes
        print(f"f32 NCHW -> u8 NHWC: at least {fewest / 1e6:.1f} MB", flush=True)
torch.cuda.synchronize()
PY
metrics=dram__bytes_read.sum,dram__bytes_write.sum,dram__bytes.sum.per_second
metrics+=,dram__throughput.avg.pct_of_peak_sustained_elapsed,gpu__time_duration.sum
metrics+=,sm__warps_active.avg.pct_of_peak_sustained_active
metrics+=,smsp__issue_active.avg.pct_of_peak_sustained_active
metrics+=,l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum,launch__registers_per_thread
ncu --clock-control none --kernel-name 'regex:^vc_' --metrics "$metrics" "$@" \
  "${PYTHON:-python3}" "$program"
