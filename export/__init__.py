"""Streaming models to ONNX, ExecuTorch and TFLite, each checked against eager PyTorch."""

from __future__ import annotations

from mobilevis.export.export import export_model
from mobilevis.export.report import ExportReport, FormatReport

__all__ = ["ExportReport", "FormatReport", "export_model"]
