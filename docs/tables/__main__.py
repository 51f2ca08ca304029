"""``python -m docs.tables``: see the package."""

from __future__ import annotations

import sys

from . import accuracy, documents, keyframes, routing, sizes, with_tables

if "--count" in sys.argv[1:]:
    sizes.count_sizes()
for document in documents():
    document.write_text(with_tables(document.read_text(encoding="utf-8")), encoding="utf-8")
accuracy.draw_curves(accuracy.PLOT)
keyframes.draw_keyframes(keyframes.PLOT)
routing.draw_routing(routing.PLOT)
