# SPDX-License-Identifier: Apache-2.0
"""The how-to in docs/relay.md does what it says."""

from __future__ import annotations

import re
import shutil

from benchmarks import microtvm
from tests.relay.conftest import ROOT


def test_the_pipeline_of_the_docs(tmp_path, monkeypatch):
    text = (ROOT / "docs/relay.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    shutil.copy(ROOT / "examples/models/fashion_mnist_tiny.onnx", tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(code, "docs/relay.md", "exec"), names)
    facts = microtvm.export(names["built"], tmp_path / "export")
    assert facts["modules"]["default"]["executors"] == ["aot"]
    sources = [p.read_text() for p in (tmp_path / "export/codegen/host/src").glob("*.c")]
    assert sum("tinyengine_workspace[" in source for source in sources) == 1
