"""Benchmarks: ratios against peers, measured in turn in one run. Times alone mean nothing on a shared machine."""
