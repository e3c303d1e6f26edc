"""Short hashes of texts."""

from __future__ import annotations

import hashlib


def short_hash(text: str) -> str:
    """Return 16 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
