"""The page on inspecting label posteriors runs as printed, and shows the pictures it makes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "inspect-label-posteriors.md"

az: Any = pytest.importorskip("arviz")


@pytest.mark.skipif(not hasattr(az, "InferenceData"), reason="the page's plots are ArviZ 0.23's")
def test_the_page_runs_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from labelppl.phantoms import simulate

    text = PAGE.read_text()
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    monkeypatch.chdir(tmp_path)
    with mpl.rc_context({"backend": "agg"}):
        simulate("hip", tmp_path / "hips", cases=130, size=32)
        monkeypatch.chdir(tmp_path / "hips")
        exec(compile(code.replace("simulations=60", "simulations=20"), str(PAGE), "exec"), {})
    made = {path.name for path in Path().glob("*.png")}
    shown = set(re.findall(r"\(pictures/(.*?)\)", text))
    assert shown <= made
    assert all((DOCS / "pictures" / name).is_file() for name in shown)
