# SPDX-License-Identifier: Apache-2.0
"""Gives a network an int8 interface."""

from __future__ import annotations

from dataclasses import replace

from ..errors import ModelError
from ..network import Dequantize, Layer, Network, Quantize, Tensor, verify


def strip_float_interface(network: Network) -> Network:
    """Takes the Quantize off each input and the Dequantize off each output.

    The interface keeps its names; its tensors become int8 with the quantisation that the layer had.
    An input or output that isn't behind such a layer keeps its type.

    Raises:
        ModelError: nothing but the interface would be left.
    """
    renamed: dict[str, str] = {}
    dropped: set[str] = set()
    tensors: dict[str, Tensor] = dict(network.tensors)
    for name in network.inputs:
        users = network.consumers(name)
        only = users[0] if len(users) == 1 else None
        if isinstance(only, Quantize) and name not in network.outputs:
            if only.output in network.outputs:
                raise ModelError(f"output '{only.output}' is only the quantised input")
            renamed[only.output] = name
            dropped.add(only.name)
            tensors[name] = replace(network.output_of(only), name=name)
    for name in network.outputs:
        producer = network.producer(name)
        if not isinstance(producer, Dequantize):
            continue
        source = producer.inputs[0]
        if source in renamed or source in network.inputs or source in network.outputs:
            continue
        if network.consumers(name):
            continue
        renamed[source] = name
        dropped.add(producer.name)
        tensors[name] = replace(network.tensors[source], name=name)

    def edited(layer: Layer) -> Layer:
        inputs = tuple(renamed.get(n, n) for n in layer.inputs)
        return replace(layer, inputs=inputs, output=renamed.get(layer.output, layer.output))

    layers = [edited(layer) for layer in network.layers if layer.name not in dropped]
    if not layers:
        raise ModelError("the model only converts between float32 and int8; nothing to compile")
    return verify(network.with_layers(layers, tensors))
