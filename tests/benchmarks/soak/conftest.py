"""The artefact and the clip that the latency harness is tested with."""

from tests.benchmarks.latency.conftest import artefact, bare_python, clip

__all__ = ["artefact", "bare_python", "clip"]
