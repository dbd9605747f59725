"""The measurements that the README quotes, runnable: `python -m benchmarks`, and `python -m benchmarks.peers`.

Not part of the package that is installed. Everything runs on loopback; numbers are medians of repetitions.
"""
