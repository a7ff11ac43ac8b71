# SPDX-License-Identifier: Apache-2.0
"""Pools and means on the DSP extension: four channels to a word.

A maximum takes a load, SSUB8 and SEL per four inputs; a sum a load and two SXTAB16, which add bytes
to 16-bit sums: exact for 256 inputs, after which the sums move to 32 bits. That is 0.75 instructions
per input, plus the loop. What a mean does with its sum happens once per output, in C.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from ...network import AveragePool2D, MaxPool2D, Mean, Network
from ...targets import Target
from ..base import Code, Configuration, Function, Kernel, Operands, render
from ..floats import c_float
from ..geometry import Geometry, geometry_of
from ..near_ties import HELPERS, mean_factor

_LANES = ("te_lanes", "te_clamp")
_INPUTS_PER_SUM = 256
"""Of int8, whose sum fits 16 bits."""

_Finish = tuple[str, dict[str, object], tuple[str, ...]]
"""How a SUM becomes an output: C statements, parameters with their values, helpers."""

_START = """\
{
{% for axis, position, size, out, stride, pad, kernel in axes %}
    {{ "    " * loop.index0 }}for (int32_t o{{ axis }} = 0; o{{ axis }} < {{ out }}; ++o{{ axis }}) {
{% set indent = "    " * loop.index %}
{% if pad or (out - 1) * stride - pad + kernel > size %}
{% set start = "o" ~ axis ~ " * " ~ stride ~ " - " ~ pad %}
    {{ indent }}const int32_t {{ position }}0 = {{ start }} < 0 ? 0 : {{ start }};
    {{ indent }}const int32_t {{ position }}1 =
    {{ indent }}    {{ start }} + {{ kernel }} < {{ size }} ? {{ start }} + {{ kernel }} : {{ size }};
{% else %}
    {{ indent }}const int32_t {{ position }}0 = o{{ axis }} * {{ stride }};
    {{ indent }}const int32_t {{ position }}1 = {{ position }}0 + {{ kernel }};
{% endif %}
{% endfor %}
            const int8_t *const window = x + (y0 * {{ g.width }} + x0) * {{ g.depth }};
            int32_t channel = 0;
"""

_END = """\
        }
    }
}
"""

MAX = (
    """\
/* Four channels at a time; the clamp's bounds stand in all four bytes of `low` and `high`. */
static void @NAME@(const int8_t *x, uint32_t low, uint32_t high, int8_t *y)
"""
    + _START
    + """\
            for (; channel <= {{ g.channels - 4 }}; channel += 4) {
                uint32_t largest = low;
                const int8_t *row = window + channel;
                for (int32_t iy = y0; iy < y1; ++iy) {
                    const int8_t *in = row;
                    for (int32_t ix = x0; ix < x1; ++ix) {
                        largest = te_max4(largest, te_load4(in));
                        in += {{ g.depth }};
                    }
                    row += {{ g.width * g.depth }};
                }
                te_store4(y, te_min4(largest, high));
                y += 4;
            }
            for (; channel < {{ g.channels }}; ++channel) {
                int32_t largest = (int8_t)low;
                const int8_t *row = window + channel;
                for (int32_t iy = y0; iy < y1; ++iy) {
                    const int8_t *in = row;
                    for (int32_t ix = x0; ix < x1; ++ix) {
                        largest = *in > largest ? *in : largest;
                        in += {{ g.depth }};
                    }
                    row += {{ g.width * g.depth }};
                }
                *y++ = te_clamp(largest, (int8_t)low, (int8_t)high);
            }
"""
    + _END
)

SUM = (
    """\
/* Four channels at a time: sums of up to 256 inputs in 16 bits. */
static void @NAME@(const int8_t *x, {{ parameters }}, int8_t *y)
"""
    + _START
    + """\
            {{ prepare }}
            for (; channel <= {{ g.channels - 4 }}; channel += 4) {
                int32_t sum[4] = {0, 0, 0, 0};
                uint32_t even = 0;
                uint32_t odd = 0;
                const int8_t *row = window + channel;
{% if rows < g.kh %}
                int32_t rows = 0;
{% endif %}
                for (int32_t iy = y0; iy < y1; ++iy) {
                    const int8_t *in = row;
                    for (int32_t ix = x0; ix < x1; ++ix) {
                        const uint32_t bytes = te_load4(in);
                        even = te_add_even(even, bytes);
                        odd = te_add_odd(odd, bytes);
                        in += {{ g.depth }};
                    }
                    row += {{ g.width * g.depth }};
{% if rows < g.kh %}
                    if (++rows == {{ rows }}) {
                        te_add_sums(sum, even, odd);
                        even = odd = 0;
                        rows = 0;
                    }
{% endif %}
                }
                te_add_sums(sum, even, odd);
                for (int32_t i = 0; i < 4; ++i) {
                    {{ finish.replace("SUM", "sum[i]").replace("CHANNEL", "channel + i") | indent(20) }}
                }
            }
            for (; channel < {{ g.channels }}; ++channel) {
                int32_t sum = 0;
                const int8_t *row = window + channel;
                for (int32_t iy = y0; iy < y1; ++iy) {
                    const int8_t *in = row;
                    for (int32_t ix = x0; ix < x1; ++ix) {
                        sum += *in;
                        in += {{ g.depth }};
                    }
                    row += {{ g.width * g.depth }};
                }
                {{ finish.replace("SUM", "sum").replace("CHANNEL", "channel") | indent(16) }}
            }
"""
    + _END
)


def _text(template: str, g: Geometry, **values: object) -> str:
    rows = ("y", "y", g.height, g.out_height, g.sy, g.pad_top, g.kh)
    columns = ("x", "x", g.width, g.out_width, g.sx, g.pad_left, g.kw)
    return render(template, g=g, axes=(rows, columns), **values)


def _in_place(g: Geometry) -> Mapping[int, int]:
    """Without padding no window begins before the place of its output, so that may be the input's."""
    return {} if g.padded else {0: g.out_height * g.out_width * g.channels}


class MaxPoolDsp(Kernel[MaxPool2D]):
    """Any window, stride and padding, from four channels on."""

    name = "max_pool2d_s8_4_dsp"
    layer = MaxPool2D

    def supports(self, network: Network, layer: MaxPool2D, target: Target) -> bool:
        return target.has("dsp") and network.output_of(layer).shape[3] >= 4

    def overlap(
        self, network: Network, layer: MaxPool2D, configuration: Configuration
    ) -> Mapping[int, int]:
        return _in_place(geometry_of(network, layer))

    def emit(self, network: Network, layer: MaxPool2D, configuration: Configuration) -> Code:
        g = geometry_of(network, layer)
        low, high = (f"0x{bound % 256 * 0x01010101:08x}U" for bound in layer.clamp)
        text = _text(MAX, g)

        def call(operands: Operands, names: Sequence[str]) -> str:
            return f"{names[0]}({operands.inputs[0]}, {low}, {high}, {operands.output});"

        function = Function(f"te_max_pool_{g.label}_dsp", text, _LANES, ("string.h",))
        return Code(functions=(function,), call=call)


class AveragePoolDsp(Kernel[AveragePool2D]):
    """Mode tflite; any stride and padding, windows of up to 256 columns, from four channels on."""

    name = "average_pool2d_s8_4_dsp"
    layer = AveragePool2D

    def supports(self, network: Network, layer: AveragePool2D, target: Target) -> bool:
        fits = network.output_of(layer).shape[3] >= 4 and layer.kernel[1] <= _INPUTS_PER_SUM
        return target.has("dsp") and network.mode == "tflite" and fits

    def overlap(
        self, network: Network, layer: AveragePool2D, configuration: Configuration
    ) -> Mapping[int, int]:
        return _in_place(geometry_of(network, layer))

    def emit(self, network: Network, layer: AveragePool2D, configuration: Configuration) -> Code:
        g = geometry_of(network, layer)
        window = g.kh * g.kw
        inside = "(y1 - y0) * (x1 - x0)" if g.padded else str(window)
        prepare = f"const int32_t count = {inside};"
        total = "SUM"
        if layer.count_padding and g.padded:
            zero = network.input_of(layer).zero_point
            prepare = f"const int32_t count = {window};\n" + " " * 12
            prepare += f"const int32_t outside = ({window} - {inside}) * {zero};"
            total = "SUM + outside"
        finish = (
            f"const int32_t total = {total};\n"
            "const int32_t half = total > 0 ? count / 2 : -(count / 2);\n"
            "*y++ = te_clamp((total + half) / count, low, high);"
        )
        low, high = layer.clamp
        return _sum_code(
            f"te_average_pool_{g.label}_dsp",
            g,
            prepare,
            finish,
            {"int32_t low": low, "int32_t high": high},
            _LANES,
        )


class MeanDsp(Kernel[Mean]):
    """Over neighbouring axes without the last: a pool of one window."""

    name = "mean_s8_4_dsp"
    layer = Mean

    def __init__(self, multiplier: Callable[[Network, Mean], tuple[int, int]]) -> None:
        """multiplier: gives the multiplier and shift that take the sum to the mean."""
        self._multiplier = multiplier

    def supports(self, network: Network, layer: Mean, target: Target) -> bool:
        g = _plane(network.input_of(layer).shape, layer.axes)
        return target.has("dsp") and g is not None

    def overlap(
        self, network: Network, layer: Mean, configuration: Configuration
    ) -> Mapping[int, int]:
        return {0: network.output_of(layer).nbytes}

    def emit(self, network: Network, layer: Mean, configuration: Configuration) -> Code:
        g = _plane(network.input_of(layer).shape, layer.axes)
        assert g is not None
        finish = self._tflite if network.mode == "tflite" else self._onnx
        label = f"te_mean_s8_{g.out_height}x{g.kh}x{g.depth}_dsp"
        return _sum_code(label, g, "", *finish(network, layer, g))

    def _tflite(self, network: Network, layer: Mean, g: Geometry) -> _Finish:
        x, y = network.input_of(layer), network.output_of(layer)
        multiplier, shift = self._multiplier(network, layer)
        text = (
            "const int32_t mean = te_scale_tflite(SUM - zero_sum, multiplier, shift);\n"
            "*y++ = te_offset(mean, zero_y, -128, 127);"
        )
        values: dict[str, object] = {
            "int32_t zero_sum": g.kh * x.zero_point,
            "int32_t multiplier": multiplier,
            "int32_t shift": shift,
            "int32_t zero_y": y.zero_point,
        }
        return text, values, ("te_lanes", "te_scale_tflite", "te_offset")

    def _onnx(self, network: Network, layer: Mean, g: Geometry) -> _Finish:
        """In fixed point, and again in float32 where the errors of float32 decide."""
        x, y = network.input_of(layer), network.output_of(layer)
        how = mean_factor(x, y, g.kh, True)
        text = (
            f"const int32_t total = SUM - {g.kh} * zero_x;\n"
            "const int32_t scaled = (int32_t)(((int64_t)total * factor) >> shift);\n"
            "*y++ = !te_near_tie(scaled, bits, margin)\n"
            "    ? te_nearest(scaled, bits, zero_y, -128, 127)\n"
            f"    : te_mean_float32(window + CHANNEL, {g.kh}, {g.depth}, zero_x, scale_x, zero_y,\n"
            "        scale_y);"
        )
        values: dict[str, object] = {
            "int32_t zero_x": x.zero_point,
            "float scale_x": c_float(x.scale),
            "int32_t factor": how.factor,
            "int32_t shift": how.shift,
            "int32_t bits": how.format.bits,
            "int32_t margin": how.format.margin,
            "int32_t zero_y": y.zero_point,
            "float scale_y": c_float(y.scale),
        }
        return text, values, ("te_lanes", *HELPERS, "te_lane_sum", "te_mean_float32")


def _sum_code(
    name: str,
    g: Geometry,
    prepare: str,
    finish: str,
    values: Mapping[str, object],
    helpers: tuple[str, ...],
) -> Code:
    """Code of a kernel that sums windows; `finish` takes SUM to an output, by way of `values`."""
    text = _text(
        SUM,
        g,
        parameters=", ".join(values),
        prepare=prepare,
        finish=finish,
        rows=max(1, _INPUTS_PER_SUM // g.kw),
    )
    arguments = ", ".join(str(v) for v in values.values())

    def call(operands: Operands, names: Sequence[str]) -> str:
        return f"{names[0]}({operands.inputs[0]}, {arguments}, {operands.output});"

    return Code(functions=(Function(name, text, helpers, ("string.h",)),), call=call)


def _plane(shape: Sequence[int], axes: Sequence[int]) -> Geometry | None:
    """A mean as a pool over columns of height `kh`, one per outer index; None where it isn't one."""
    real = [i for i in axes if shape[i] > 1]
    if not real or any(shape[i] > 1 and i not in axes for i in range(real[0], real[-1])):
        return None
    outer, inner = math.prod(shape[: real[0]]), math.prod(shape[real[-1] + 1 :])
    count = math.prod(shape[i] for i in real)
    if inner < 4:
        return None
    return Geometry(outer * count, 1, inner, outer, 1, inner, count, 1, count, 1, 0, 0, 0, 0)
