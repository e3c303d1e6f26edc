"""Addresses as they may be shown."""

from __future__ import annotations

import re

CREDENTIALS = re.compile(r"(?<=://)[^/?#\s]*@")
# Passwords that drivers take as options: ?password=…, &sslpassword=…
SECRET_OPTIONS = re.compile(r"([?&;](?:\w*password|pwd|passwd|token|secret\w*)=)[^&;\s]*", re.I)
MASK = "***"


def without_secrets(text: str) -> str:
    """Return `text`, an address or a sentence that holds some, without user names and passwords.

    >>> without_secrets("postgresql://me:hush@db/x?sslpassword=hush")
    'postgresql://***@db/x?sslpassword=***'
    """
    return SECRET_OPTIONS.sub(rf"\1{MASK}", CREDENTIALS.sub(f"{MASK}@", text))
