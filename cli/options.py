"""Values of command-line options that several sub-commands take."""

from __future__ import annotations

import re

from mobilevis.runtime.errors import UserError

MAX_DIGITS = 5


def parse_size(text: str, option: str = "--size") -> tuple[int, int]:
    """(height, width) from such as ``320x640``.

    Raises:
        UserError: the text is no size; the option is named.
    """
    match = re.fullmatch(rf"([1-9]\d{{0,{MAX_DIGITS - 1}}})[x×]([1-9]\d{{0,{MAX_DIGITS - 1}}})", text)
    if match is None:
        raise UserError(f"{option} {text!r:.40} is no size", fix="give HEIGHTxWIDTH, such as 320x640")
    return int(match[1]), int(match[2])
