"""Cheap, repeatable randomness: all that looks random in the sandbox is an integer hash of the seed and an id."""

from __future__ import annotations

from math import gcd

_MASK = (1 << 64) - 1


def mix(value: int) -> int:
    """Return 64 well-spread bits for any integer (the finaliser of splitmix64)."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


class Shuffle:
    """A permutation of `range(size)` that costs no memory and can be inverted in O(1): x → (a·x + b) mod size."""

    def __init__(self, size: int, seed: int) -> None:
        self._size = max(size, 1)
        factor = int(self._size * 0.618034) | 1
        while gcd(factor, self._size) != 1:
            factor += 1
        self._factor = factor
        self._shift = mix(seed) % self._size
        self._inverse = pow(factor, -1, self._size)

    def forward(self, value: int) -> int:
        """Return the place of `value`."""
        return (self._factor * value + self._shift) % self._size

    def backward(self, place: int) -> int:
        """Return the value whose place this is."""
        return (place - self._shift) * self._inverse % self._size
