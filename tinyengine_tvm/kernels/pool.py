# SPDX-License-Identifier: Apache-2.0
"""max_pool2d and average_pool2d."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..network import AveragePool2D, MaxPool2D, Network
from .base import Code, Configuration, Function, Kernel, Operands, render
from .dsp.pool import AveragePoolDsp, MaxPoolDsp
from .floats import c_float, dequantise, quantise_half_even
from .geometry import Geometry, geometry_of
from .mean import LANE_SUM, lane_sum
from .near_ties import HELPERS, mean_factor


def _windows(x: np.ndarray, layer: MaxPool2D | AveragePool2D, fill: Any) -> np.ndarray:
    """[out height, out width, channels, kh, kw] of NHWC batch 1, padded with `fill`."""
    p = layer.padding
    padded = np.pad(x[0], ((p.top, p.bottom), (p.left, p.right), (0, 0)), constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(padded, layer.kernel, axis=(0, 1))
    return view[:: layer.stride[0], :: layer.stride[1]]


def max_pool_reference(network: Network, layer: MaxPool2D, inputs: list[np.ndarray]) -> np.ndarray:
    """int8 NHWC."""
    largest = _windows(inputs[0], layer, -128).max(axis=(3, 4))
    return np.clip(largest, *layer.clamp)[None]


def average_pool_reference(
    network: Network, layer: AveragePool2D, inputs: list[np.ndarray]
) -> np.ndarray:
    """int8 NHWC. In mode onnx the float32 sums are taken in the order of onnxruntime's MLAS."""
    x, y = network.input_of(layer), network.output_of(layer)
    inside = _windows(np.ones_like(inputs[0], dtype=np.int64), layer, 0).sum(axis=(3, 4))
    count = np.full_like(inside, layer.kernel[0] * layer.kernel[1])
    divisor = count if layer.count_padding else inside
    if network.mode == "tflite":
        total = _windows(inputs[0].astype(np.int64), layer, 0).sum(axis=(3, 4))
        if layer.count_padding:
            total += (count - inside) * x.zero_point
        # C divides towards zero: half away from zero in the end.
        nearest = (np.abs(total) + divisor // 2) // divisor
        return np.clip(np.sign(total) * nearest, *layer.clamp).astype(np.int8)[None]
    view = _windows(dequantise(inputs[0], x), layer, np.float32(0))
    order = summation_order(geometry_of(network, layer))
    if order == "lanes":
        total = lane_sum(view.reshape(*view.shape[:3], -1))
    elif order == "columns":
        total = _in_order(_in_order(view.swapaxes(3, 4)))
    else:
        total = _in_order(view.reshape(*view.shape[:3], -1))
    return quantise_half_even(total / divisor.astype(np.float32), y, layer.clamp)[None]


def summation_order(g: Geometry) -> str:
    """Which order onnxruntime adds a window's values in: its SIMD kernels decide.

    "lanes": the window is the whole map, four interleaved partial sums; "columns": each column
    first; "rows": row by row.
    """
    whole = (g.kh, g.kw) == (g.height, g.width) and (g.sy, g.sx) == (1, 1)
    if whole and not g.padded:
        return "lanes"
    fits = g.width + g.pad_left + g.pad_right <= 2045
    return "columns" if g.sx <= 2 and max(g.kh, g.kw) <= 32 and fits else "rows"


def _in_order(values: np.ndarray) -> np.ndarray:
    """float32 sum over the last axis, one addition after the other."""
    total = np.zeros(values.shape[:-1], np.float32)
    for i in range(values.shape[-1]):
        total = total + values[..., i]
    return total


WINDOW = """\
    for (int32_t oy = 0; oy < {{ g.out_height }}; ++oy) {
        const int32_t top = {{ top }};
{% if g.padded %}
        const int32_t y0 = top < 0 ? 0 : top;
        const int32_t y1 = top + {{ g.kh }} < {{ g.height }} ? top + {{ g.kh }} : {{ g.height }};
{% else %}
        const int32_t y0 = top;
        const int32_t y1 = top + {{ g.kh }};
{% endif %}
        for (int32_t ox = 0; ox < {{ g.out_width }}; ++ox) {
            const int32_t left = {{ left }};
{% if g.padded %}
            const int32_t x0 = left < 0 ? 0 : left;
            const int32_t x1 = left + {{ g.kw }} < {{ g.width }} ? left + {{ g.kw }} : {{ g.width }};
{% else %}
            const int32_t x0 = left;
            const int32_t x1 = left + {{ g.kw }};
{% endif %}
"""

MAX = (
    """\
static void @NAME@(const int8_t *x, int32_t low, int32_t high, int8_t *y)
{
"""
    + WINDOW
    + """\
            for (int32_t channel = 0; channel < {{ g.channels }}; ++channel) {
                int32_t largest = low;
                for (int32_t iy = y0; iy < y1; ++iy) {
                    const int8_t *in = x + (iy * {{ g.width }} + x0){{ pixel }} + channel;
                    for (int32_t ix = x0; ix < x1; ++ix) {
                        largest = *in > largest ? *in : largest;
                        in += {{ g.depth }};
                    }
                }
                *y++ = te_clamp(largest, low, high);
            }
        }
    }
}
"""
)

AVERAGE_TFLITE = (
    """\
static void @NAME@(const int8_t *x,{{ " int32_t zero," if outside }}
    int32_t low, int32_t high, int8_t *y)
{
"""
    + WINDOW
    + """\
{% if outside %}
            const int32_t outside = {{ g.kh * g.kw }} - (y1 - y0) * (x1 - x0);
            const int32_t count = {{ g.kh * g.kw }};
{% elif g.padded %}
            const int32_t count = (y1 - y0) * (x1 - x0);
{% else %}
            const int32_t count = {{ g.kh * g.kw }};
{% endif %}
            for (int32_t channel = 0; channel < {{ g.channels }}; ++channel) {
                int32_t sum = {{ "outside * zero" if outside else "0" }};
                for (int32_t iy = y0; iy < y1; ++iy) {
                    const int8_t *in = x + (iy * {{ g.width }} + x0){{ pixel }} + channel;
                    for (int32_t ix = x0; ix < x1; ++ix) {
                        sum += *in;
                        in += {{ g.depth }};
                    }
                }
                const int32_t half = sum > 0 ? count / 2 : -(count / 2);
                *y++ = te_clamp((sum + half) / count, low, high);
            }
        }
    }
}
"""
)

AVERAGE_ONNX = (
    """\
static void @NAME@(const int8_t *x, int32_t zero_x, float scale_x,
    int32_t factor, int32_t shift, int32_t bits, int32_t margin,
    int32_t zero_y, float scale_y, int32_t low, int32_t high, int8_t *y)
{
"""
    + WINDOW
    + """\
{% if varying %}
            const int32_t count = (y1 - y0) * (x1 - x0);
{% endif %}
            for (int32_t channel = 0; channel < {{ g.channels }}; ++channel) {
                int32_t total = 0;
                for (int32_t iy = y0; iy < y1; ++iy) {
                    for (int32_t ix = x0; ix < x1; ++ix) {
                        total += x[(iy * {{ g.width }} + ix){{ pixel }} + channel] - zero_x;
                    }
                }
                const int32_t scaled = (int32_t)(((int64_t)total * factor) >> shift)\
{{ " / count" if varying }};
                if (!te_near_tie(scaled, bits, margin)) {
                    *y++ = te_nearest(scaled, bits, zero_y, low, high);
                    continue;
                }
                /* The errors of float32 decide, so it has to be float32. */
{% if order == "lanes" %}
                float lane[4] = {0.0f, 0.0f, 0.0f, 0.0f};
                float sum = 0.0f;
                int32_t k = 0;
{% else %}
                float sum = 0.0f;
{% endif %}
{% if order == "columns" %}
                for (int32_t ix = x0; ix < x1; ++ix) {
                    float column = 0.0f;
                    for (int32_t iy = y0; iy < y1; ++iy) {
                        const int8_t in = x[(iy * {{ g.width }} + ix){{ pixel }} + channel];
                        const float value = te_float32((float)(in - zero_x) * scale_x);
                        column = te_float32(column + value);
                    }
                    sum = te_float32(sum + column);
                }
{% else %}
                for (int32_t iy = y0; iy < y1; ++iy) {
                    for (int32_t ix = x0; ix < x1; ++ix) {
                        const int8_t in = x[(iy * {{ g.width }} + ix){{ pixel }} + channel];
                        const float value = te_float32((float)(in - zero_x) * scale_x);
{% if order == "lanes" %}
                        sum = te_lane_sum(lane, sum, value, k++, {{ g.kh * g.kw }});
{% else %}
                        sum = te_float32(sum + value);
{% endif %}
                    }
                }
{% endif %}
                const float mean = sum / te_float32((float){{ "count" if varying else g.kh * g.kw }});
                *y++ = te_quantise_onnx(mean, scale_y, zero_y, low, high);
            }
        }
    }
}
"""
)


class MaxPoolPortable(Kernel[MaxPool2D]):
    """Any window, stride and padding."""

    name = "max_pool2d_s8_portable"
    layer = MaxPool2D

    def emit(self, network: Network, layer: MaxPool2D, configuration: Configuration) -> Code:
        geometry = geometry_of(network, layer)
        return _code(
            f"te_max_pool_{geometry.label}", _render(MAX, geometry), [], layer, ("te_clamp",)
        )


class AveragePoolPortable(Kernel[AveragePool2D]):
    """Any window, stride and padding."""

    name = "average_pool2d_s8_portable"
    layer = AveragePool2D

    def emit(self, network: Network, layer: AveragePool2D, configuration: Configuration) -> Code:
        g = geometry_of(network, layer)
        x, y = network.input_of(layer), network.output_of(layer)
        name = f"te_average_pool_{g.label}"
        if network.mode == "tflite":
            outside = layer.count_padding and g.padded
            text = _render(AVERAGE_TFLITE, g, outside=outside)
            zero = [str(x.zero_point)] if outside else []
            return _code(name, text, zero, layer, ("te_clamp",))
        order = summation_order(g)
        varying = g.padded and not layer.count_padding
        text = _render(AVERAGE_ONNX, g, order=order, varying=varying)
        how = mean_factor(x, y, g.kh * g.kw, not varying)
        values = [
            *(str(x.zero_point), c_float(x.scale)),
            *(str(v) for v in (how.factor, how.shift, how.format.bits, how.format.margin)),
            *(str(y.zero_point), c_float(y.scale)),
        ]
        lanes = (LANE_SUM,) if order == "lanes" else ()
        return _code(name, text, values, layer, (*HELPERS, *lanes))


def _render(template: str, g: Geometry, **values: Any) -> str:
    def start(index: str, stride: int, padding: int) -> str:
        product = index if stride == 1 else f"{index} * {stride}"
        return f"{product} - {padding}" if padding else product

    return render(
        template,
        g=g,
        top=start("oy", g.sy, g.pad_top),
        left=start("ox", g.sx, g.pad_left),
        pixel=f" * {g.depth}" if g.depth > 1 else "",
        **values,
    )


def _code(
    name: str,
    text: str,
    values: list[str],
    layer: MaxPool2D | AveragePool2D,
    helpers: tuple[str, ...],
) -> Code:
    clamp = [str(c) for c in layer.clamp]

    def call(operands: Operands, names: Sequence[str]) -> str:
        arguments = [operands.inputs[0], *values, *clamp, operands.output]
        return f"{names[0]}({', '.join(arguments)});"

    return Code(functions=(Function(name, text, helpers),), call=call)


KERNELS: tuple[Kernel[Any], ...] = (
    MaxPoolDsp(),
    AveragePoolDsp(),
    MaxPoolPortable(),
    AveragePoolPortable(),
)
REFERENCE = {MaxPool2D: max_pool_reference, AveragePool2D: average_pool_reference}
