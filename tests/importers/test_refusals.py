# SPDX-License-Identifier: Apache-2.0
"""What can't be compiled is refused in one line that names the cause, before TVM sees it."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest
import tflite
from onnx import TensorProto, helper

from tests.networks import int8_tensor, small_network
from tests.onnx_models import float_model, quantised
from tests.tflite_models import write_tflite
from tinyengine_tvm.errors import ModelError, UnsupportedOperators
from tinyengine_tvm.importers import import_network
from tinyengine_tvm.network import Dense, Network, Softmax


def refusal(tmp_path, model, name="model.onnx") -> ModelError:
    path = tmp_path / name
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    with pytest.raises(ModelError) as caught:
        import_network(path, name="net")
    assert "\n" not in str(caught.value)
    return caught.value


def patched(model: bytes, old: int, new: int) -> bytes:
    """The file with another operator in place of one of its kind."""
    view = bytearray(model)
    found = tflite.Model.GetRootAs(view, 0)
    for index in range(found.OperatorCodesLength()):
        code = found.OperatorCodes(index)
        if code.BuiltinCode() == old:
            table = code._tab
            for vtable, width in ((4, 1), (10, 4)):
                offset = table.Offset(vtable)
                if offset:
                    at = table.Pos + offset
                    view[at : at + width] = int(min(new, 127 if width == 1 else new)).to_bytes(
                        width, "little"
                    )
    return bytes(view)


def test_all_unsupported_tflite_operators_are_listed_with_their_places(tmp_path):
    model = write_tflite(small_network())
    kinds = tflite.BuiltinOperator
    model = patched(model, kinds.RESHAPE, kinds.SIN)
    model = patched(model, kinds.DEPTHWISE_CONV_2D, kinds.CONV_3D_TRANSPOSE)
    error = refusal(tmp_path, model, "model.tflite")
    assert isinstance(error, UnsupportedOperators)
    assert error.operators == ["CONV_3D_TRANSPOSE 'b' (operator 1)", "SIN 'c' (operator 2)"]
    assert str(error).startswith("2 unsupported operators: CONV_3D_TRANSPOSE 'b'")


def test_all_unsupported_onnx_operators_are_listed_with_their_places(tmp_path):
    model = quantised("conv_1x1")
    graph, end = model.graph, model.graph.output[0].name
    for kind in ("Celu", "LpNormalization"):
        graph.node.append(helper.make_node(kind, [end], [f"{end}_{kind}"], name=f"my/{kind}"))
        end = f"{end}_{kind}"
    graph.output[0].name = end
    error = refusal(tmp_path, model)
    assert isinstance(error, UnsupportedOperators)
    count = len(graph.node)
    assert error.operators == [
        f"Celu 'my/Celu' (node {count - 2})",
        f"LpNormalization 'my/LpNormalization' (node {count - 1})",
    ]


def reshaped(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with shapes inferred afresh."""
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    return onnx.shape_inference.infer_shapes(model, strict_mode=True)


def with_attribute(name, value):
    model = quantised("conv_3x3")
    node = next(n for n in model.graph.node if n.op_type == "Conv")
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])
    return reshaped(model)


def test_dilation(tmp_path):
    error = refusal(tmp_path, with_attribute("dilations", [2, 2]))
    assert isinstance(error, UnsupportedOperators)
    assert "dilation (2, 2); only 1 is supported" in error.operators[0]


def test_grouped_convolution(tmp_path):
    model = quantised("depthwise")
    node = next(n for n in model.graph.node if n.op_type == "Conv")
    weight = next(n for n in model.graph.node if n.output[0] == node.input[1]).input[0]
    for attribute in node.attribute:
        if attribute.name == "group":
            attribute.i = 3
    for tensor in model.graph.initializer:
        if tensor.name == weight:
            data = onnx.numpy_helper.to_array(tensor)
            doubled = np.concatenate([data, data], axis=1)
            tensor.CopyFrom(onnx.numpy_helper.from_array(doubled, weight))
    error = refusal(tmp_path, reshaped(model))
    assert isinstance(error, UnsupportedOperators)
    assert "grouped convolution (3 groups of 6 channels)" in error.operators[0]


def test_an_operator_left_in_float(tmp_path):
    model = quantised("residual")
    add = next(n for n in model.graph.node if n.op_type == "Add")
    sources = {n.output[0]: n for n in model.graph.node}
    # The second operand skips its quantize and dequantize.
    add.input[1] = sources[sources[add.input[1]].input[0]].input[0]
    error = refusal(tmp_path, model)
    assert isinstance(error, UnsupportedOperators)


def test_float_models(tmp_path):
    assert "float32; quantise it to int8" in str(refusal(tmp_path, float_model("dense")))
    scores = dataclasses.replace(int8_tensor("y", (1, 4)), dtype="float32", quantisation=None)
    source = dataclasses.replace(scores, name="x")
    network = Network(
        "float", "tflite", {"x": source, "y": scores}, (Softmax("s", ("x",), "y"),), ("x",), ("y",)
    )
    error = refusal(tmp_path, write_tflite(network), "model.tflite")
    assert "float32; quantise it to int8" in str(error)


def test_another_batch_than_one(tmp_path):
    tensors = [int8_tensor("x", (4, 8)), int8_tensor("y", (4, 3))]
    weight, scale = np.ones((3, 8), np.int8), np.ones(1, np.float32)
    layer = Dense("d", ("x",), "y", weight, scale, np.zeros(3, np.int32))
    network = Network("batch", "tflite", {t.name: t for t in tensors}, (layer,), ("x",), ("y",))
    error = refusal(tmp_path, write_tflite(network), "model.tflite")
    assert str(error) == "input 'x' has batch 4; export the model with batch 1"
    model = quantised("dense")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    line = str(refusal(tmp_path, reshaped(model)))
    assert "batch 2; export the model with batch 1" in line


def test_dynamic_shapes(tmp_path):
    model = quantised("conv_1x1")
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    assert "'input' has a dynamic shape" in str(refusal(tmp_path, model))


@pytest.mark.parametrize("kind", [TensorProto.UINT8, TensorProto.FLOAT16])
def test_an_interface_of_another_type(kind, tmp_path):
    model = quantised("conv_1x1", unsigned=True)
    if kind == TensorProto.UINT8:
        stored = next(n for n in model.graph.node if n.op_type == "QuantizeLinear")
        for node in model.graph.node:
            node.input[:] = ["input" if n == stored.output[0] else n for n in node.input]
        model.graph.node.remove(stored)
    else:
        cast = helper.make_node("Cast", ["input"], ["cast"], to=TensorProto.FLOAT)
        for node in model.graph.node:
            node.input[:] = ["cast" if n == "input" else n for n in node.input]
        model.graph.node.insert(0, cast)
    model.graph.input[0].type.tensor_type.elem_type = kind
    name = TensorProto.DataType.Name(kind).lower()
    assert f"input 'input' is {name}; export the model with an int8 or float32" in str(
        refusal(tmp_path, model)
    )


def test_weights_with_a_zero_point(tmp_path):
    model = quantised("conv_1x1", per_channel=False)
    dequantize = next(
        n for n in model.graph.node if n.op_type == "DequantizeLinear" and "constant" in n.name
    )
    for tensor in model.graph.initializer:
        if tensor.name == dequantize.input[2]:
            value = onnx.numpy_helper.to_array(tensor) + np.int8(3)
            tensor.CopyFrom(onnx.numpy_helper.from_array(value, tensor.name))
    error = refusal(tmp_path, model)
    assert "weights with a zero point" in str(error)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.tflite", b"", "is empty"),
        ("model.onnx", b"", "is empty"),
        ("model.tflite", b"not a flatbuffer at all", "not a valid TFLite file"),
        ("model.onnx", b"\xff\xfe nothing of the sort", "not a valid ONNX file"),
        ("model.bin", b"TFL3", "neither .tflite nor .onnx"),
        ("model", b"TFL3", "neither .tflite nor .onnx"),
    ],
)
def test_files_that_are_no_models(name, content, message, tmp_path):
    assert message in str(refusal(tmp_path, content, name))


def test_a_missing_file(tmp_path):
    with pytest.raises(ModelError, match=r"can't read .*missing.onnx': No such file"):
        import_network(tmp_path / "missing.onnx", name="net")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(ModelError, match="Is a directory"):
        import_network(tmp_path / "folder.onnx", name="net")


def test_weights_in_another_file(tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(
        quantised("conv_3x3"), path, save_as_external_data=True, size_threshold=0, location="w.bin"
    )
    with pytest.raises(ModelError, match="keeps weights in another file"):
        import_network(path, name="net")


def test_the_interface_is_keep_or_int8(tmp_path):
    with pytest.raises(ModelError, match="choose keep or int8"):
        import_network(tmp_path / "any.onnx", name="net", interface="uint8")
