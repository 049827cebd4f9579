"""Exported networks compute what the model computes, at any batch, without this package."""
from __future__ import annotations

import pytest
import torch

from semdepth_lite.common.contracts import InputError, RunFailed
from semdepth_lite.evaluation import export
from semdepth_lite.evaluation.export import DepthNetwork, export_model
from semdepth_lite.model import Model
from semdepth_lite.networks import NetworkSettings
from semdepth_lite.pretrained import load_pretrained
from semdepth_lite.variants import find_variant

pytestmark = pytest.mark.filterwarnings("ignore")  # of torch about its own exporters


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(3, 3, 64, 96, generator=torch.Generator().manual_seed(1))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["seedepth", "semdepth"])
def test_a_shipped_network_is_exported_with_a_free_batch(name, images, tmp_path):
    network = DepthNetwork(load_pretrained(name, "cpu"))
    assert export_model(network.model, tmp_path / "model.pt2", 64, 96).largest < 1e-5
    again = torch.export.load(str(tmp_path / "model.pt2")).module()
    with torch.no_grad():
        for batch in (images, images[:1]):
            assert torch.allclose(again(batch), network(batch), rtol=1e-5)


@pytest.mark.slow
def test_onnx_computes_the_same_depth_but_where_rounding_decides(images, tmp_path):
    """The network with everything in it: masks as bytes, SSFA and SEEM's points."""
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    network = DepthNetwork(load_pretrained("combined", "cpu"))
    found = export_model(network.model, tmp_path / "model.onnx", 64, 96)
    assert found.beyond < 0.01
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        depth = torch.from_numpy(session.run(None, {"images": images.numpy()})[0])
        assert ((depth / network(images) - 1).abs() <= 1e-5).double().mean() > 0.95  # noise is rounded worst


def test_a_file_that_computes_something_else_is_deleted(tmp_path, monkeypatch):
    model = Model(NetworkSettings(width=8), find_variant("seem"))
    monkeypatch.setattr(export.torch.export, "export", lambda *_, **__: None)
    monkeypatch.setattr(export, "save_program", lambda program, images, path, suffix: path.write_bytes(b"depth"))

    def spoiled(share: float):
        def run(path, images):
            depth = model.predict(images).depth
            return torch.where(torch.rand(depth.shape) < share, 1.1 * depth, depth)
        return run

    monkeypatch.setattr(export, "run_file", spoiled(0.01))
    found = export_model(model, tmp_path / "few.pt2", 64, 64)
    assert found.largest == pytest.approx(0.1, rel=1e-3) and 0 < found.beyond < 0.02
    monkeypatch.setattr(export, "run_file", spoiled(0.05))
    with pytest.raises(RunFailed, match=r"differs from the model's by 1.0e-01, and by more than 1e-05 in [45]\.\d% of"):
        export_model(model, tmp_path / "many.pt2", 64, 64)
    assert [path.name for path in tmp_path.iterdir()] == ["few.pt2"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["baseline", "seedepth"])
def test_tracing_works(name, images):
    network = DepthNetwork(Model(NetworkSettings(), find_variant(name)))
    with torch.no_grad():
        traced = torch.jit.trace(network, images[:2], check_trace=False)
        assert torch.allclose(traced(images), network(images), rtol=1e-4)


def test_what_cannot_be_exported_is_refused(tmp_path, monkeypatch):
    model = Model(NetworkSettings(), find_variant("baseline"))
    with pytest.raises(InputError, match="model.pth ends in .pth; use .onnx or .pt2"):
        export_model(model, tmp_path / "model.pth", 64, 96)
    with pytest.raises(InputError, match="batch 0 holds no image"):
        export_model(model, tmp_path / "model.pt2", 64, 96, 0)
    with pytest.raises(InputError, match="label map that comes with each image"):
        DepthNetwork(Model(NetworkSettings(), find_variant("ssfa_labels")))
    monkeypatch.setattr(export.importlib, "import_module", lambda name: (_ for _ in ()).throw(ImportError(name)))
    with pytest.raises(InputError, match="ONNX needs the package onnx; install the extra 'export'"):
        export_model(model, tmp_path / "model.onnx", 64, 96)
    assert not list(tmp_path.iterdir())
