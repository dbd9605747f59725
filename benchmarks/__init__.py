"""The measurements that the README quotes: `python -m benchmarks` and `python -m benchmarks.peers`.

Not part of the package that is installed. Everything runs on loopback; numbers are medians of repetitions.
"""
