"""Versions of installed packages, for records."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version


def tool_versions(packages: Iterable[str]) -> dict[str, str]:
    """Package, by pip's name → version; without those that are not installed."""
    versions = {}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
