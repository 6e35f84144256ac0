"""Peak memory of the transfer at 1,000 and at 20,000 small pictures: it is to be bounded by what is in flight.

Run: python -m benchmarks.memory [pictures …]; default 1000 20000. Prints a row a size: MB of all processes together,
pictures a second, how many arrived right; and the largest as a multiple of the smallest. Options of the transfer
benchmark come from it alone: pictures of 40 kB, ours, loopback, one round. Exit code 1 when a picture is missing.
"""

from __future__ import annotations

import sys

from benchmarks.transfer.__main__ import measured, parsed

GOAL_MB = 250
OURS = ["--small", "--rounds", "1", "--only", "draenei-collector"]


def main(sizes: list[int]) -> int:
    """Print the table."""
    peaks, missing = [], 0
    print(f"{'pictures':>9}{'peak RSS MB':>13}{'pictures/s':>12}{'right':>9}   (goal: {GOAL_MB} MB for both)")
    for size in sizes:
        arguments = parsed([*OURS, "--pictures", str(size)])
        (result,) = measured(arguments)["results"]
        peaks.append(result["peak_rss"])
        missing += size - result["right"]
        speed = size / result["wall"]
        print(f"{size:>9}{result['peak_rss'] / 2**20:>13.0f}{speed:>12.0f}{result['right']:>9}", flush=True)
    print(f"ratio {max(peaks) / min(peaks):.2f}")
    return int(missing > 0)


if __name__ == "__main__":
    sys.exit(main([int(word) for word in sys.argv[1:]] or [1000, 20_000]))
