"""Exported networks compute what the model computes, at any batch, without this package."""
from __future__ import annotations

import pytest
import torch

from semdepth_lite.common.contracts import InputError
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
    assert export_model(network.model, tmp_path / "model.pt2", 64, 96) < 1e-5
    again = torch.export.load(str(tmp_path / "model.pt2")).module()
    with torch.no_grad():
        for batch in (images, images[:1]):
            assert torch.allclose(again(batch), network(batch), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name, batch", [("semdepth", None)])
def test_onnx_computes_the_same_depth(name, batch, images, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    network = DepthNetwork(load_pretrained(name, "cpu"))
    assert export_model(network.model, tmp_path / "model.onnx", 64, 96, batch) < 1e-5
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    given = images[:batch]
    with torch.no_grad():
        assert torch.allclose(torch.from_numpy(session.run(None, {"images": given.numpy()})[0]), network(given),
                              rtol=1e-5)


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
