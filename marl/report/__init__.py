"""From a run directory to one self-contained page, report.html. The only package that draws."""

from __future__ import annotations

from marl.report.render import render_report

__all__ = ["render_report"]
