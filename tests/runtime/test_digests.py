"""A digest covers every byte of a file but its metadata text."""

from __future__ import annotations

import pytest

from mobilevis.runtime.categories import Category
from mobilevis.runtime.digests import WHOLE, check_digests, digest_around
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.metadata import EntrySpec, Metadata, TensorSpec

TEXT = '{"a":1}'


def metadata(**digests: str) -> Metadata:
    spec = EntrySpec((TensorSpec("frame", (1, 3, 64, 64)),), (TensorSpec("out", (1,)),))
    return Metadata("m", "mobileinst", {"encode": spec}, (64, 64), (Category(1, "a"),), digests=digests)


def test_a_changed_byte_before_or_after_the_metadata_is_noticed(tmp_path):
    file = tmp_path / "m.tflite"
    file.write_text(f"before{TEXT}after")
    known = metadata(**{WHOLE: digest_around(file, TEXT)})
    check_digests(file, known, TEXT)
    for damaged in (f"beforf{TEXT}after", f"before{TEXT}afte", f"before{TEXT}after "):
        file.write_text(damaged)
        with pytest.raises(UserError, match="damaged"):
            check_digests(file, known, TEXT)


def test_an_older_export_without_digests_passes(tmp_path):
    check_digests(tmp_path / "absent.tflite", metadata(), TEXT)
