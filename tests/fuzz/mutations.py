"""Seeded damage: to bytes, to a JSON value and to text."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

Random = random.Random

HOSTILE_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 2**31, 2**63, 10**30, 10**400, 1e308, float("inf"), float("nan"), "", "x", "²",
    "-1", "../../x", "/etc/passwd", "a\0b", "\ud800", "\x1b[2J", "[/b]", "x" * 5000, [], [[]], [None], {},
    {"a": 1}, [1] * 1000,
)  # fmt: skip
HOSTILE_TEXTS = (
    "", "²", "①", "9" * 5000, "-", "--", "nan", "inf", "-1", "0", "1e999", "\0", "[" * 5000, "{" * 5000,
    "[/x]", "a=b=c", "..", "/dev/zero", "\x1b]0;t\x07", "кот", "\ud800", "x" * 5000, "0x0", "1x99999999999",
    "--5", "1.2.3",
)  # fmt: skip


def mutate_bytes(data: bytes, chance: Random) -> bytes:
    """Flip, blank, cut, insert or repeat a part of the bytes."""
    damaged = bytearray(data)
    start = chance.randrange(len(damaged) + 1)
    end = min(len(damaged), start + chance.choice((1, 1, 4, 64, 4096)))
    kind = chance.randrange(6)
    if kind == 0:
        damaged[start:end] = bytes(end - start)
    elif kind == 1:
        del damaged[start:]
    elif kind == 2:
        del damaged[start:end]
    elif kind == 3:
        damaged[start:start] = chance.randbytes(chance.choice((1, 8, 200)))
    elif kind == 4:
        damaged[start:end] = chance.randbytes(end - start)
    else:
        for _ in range(chance.choice((1, 3, 30))):
            if damaged:
                damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def mutate_text(text: str, chance: Random) -> str:
    """Replace, insert or remove a part of a text."""
    start = chance.randrange(len(text) + 1)
    end = min(len(text), start + chance.choice((0, 1, 3, 20)))
    return text[:start] + chance.choice(("", *HOSTILE_TEXTS)) + text[end:]


def mutate_json(value: Any, chance: Random) -> bytes:
    """The JSON of a value of which one part is replaced, removed or repeated; or damaged as bytes."""
    if chance.random() < 0.2:
        return mutate_bytes(json.dumps(value).encode(), chance)
    value = copy.deepcopy(value)
    holder, key = chance.choice(list(_places(value)))
    kind = chance.randrange(5)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    elif kind == 2:
        holder[key] = [holder[key]]
    else:
        holder[key] = chance.choice(HOSTILE_VALUES)
    return json.dumps(value).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of every value inside, lists by their first items."""
    keys = list(value) if isinstance(value, dict) else range(min(len(value), 4))
    for key in keys:
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key])
