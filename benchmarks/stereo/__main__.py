"""Print the table of `docs/stereo.md`: every figure of the 3D side beside its target, its peers and its bound.

python -m benchmarks.stereo [--part triangulation] [--part association] [--part smoothing]
"""

import argparse
import os
import time

# One thread, as in the worker processes; the numerical libraries read this when they are loaded.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import cv2  # noqa: E402 - it starts its threads when it is loaded

PARTS = ("triangulation", "association", "smoothing")


def rows_of(part: str) -> list[tuple[str, str, str, str]]:
    """Run one part."""
    if part == "triangulation":
        from benchmarks.stereo.triangulation import rows
    elif part == "association":
        from benchmarks.stereo.association import rows
    else:
        from benchmarks.stereo.smoothing import rows
    return rows()


def main() -> None:
    """Run the parts that the command line names, all by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", action="append", choices=PARTS, help="only this one; may be repeated")
    chosen = parser.parse_args().part or PARTS
    cv2.setNumThreads(1)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for part in chosen:
        started = time.perf_counter()
        found = rows_of(part)
        print(f"\n**{part.capitalize()}** ({time.perf_counter() - started:.0f} s)\n")
        print("| figure | target | ours | peers and bounds |\n|---|---|---|---|")
        for row in found:
            print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
