# SPDX-License-Identifier: Apache-2.0
"""conv2d in portable C: a few output channels at a time, weights interleaved in that order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...network import Conv2D, Dense, Network
from ...targets import Target
from ..base import Code, Configuration, Constant, Function, Kernel, Operands, render
from ..geometry import geometry_of, raster_overlap
from ..weighted import (
    bias_with_input_zero_point,
    pad_channels,
    requantise_constants,
    scale_helper,
)

BLOCK = 4
BLOCKS = (BLOCK, 2, 6, 8)
"""Output channels at a time: each reads an input once for all of them, and takes a register."""

TEMPLATE = """\
/* {{ g.height }}x{{ g.width }}x{{ g.depth }} -> {{ g.out_height }}x{{ g.out_width }}x{{ g.channels }}, kernel \
{{ g.kh }}x{{ g.kw }}, stride {{ g.sy }}x{{ g.sx }}. Weights: [channels / {{ block }}][kh][kw][{{ g.depth }}][{{ block }}]. */
static void @NAME@(const int8_t *x, const int8_t *weight, const int32_t *bias,
    const int32_t *multiplier, const int8_t *shift, int32_t in_zero, int32_t out_zero, int8_t *y)
{
{% if not g.padded %}
    (void)in_zero; /* folded into the bias */
{% endif %}
{% if g.out_height > 1 %}
    for (int32_t oy = 0; oy < {{ g.out_height }}; ++oy) {
{% else %}
    {
        const int32_t oy = 0;
{% endif %}
{% if g.out_width > 1 %}
        for (int32_t ox = 0; ox < {{ g.out_width }}; ++ox) {
{% else %}
        {
            const int32_t ox = 0;
{% endif %}
            const int32_t top = oy * {{ g.sy }} - {{ g.pad_top }};
            const int32_t left = ox * {{ g.sx }} - {{ g.pad_left }};
{% if g.padded %}
            const int32_t ky0 = top < 0 ? -top : 0;
            const int32_t ky1 = {{ g.height }} - top < {{ g.kh }} ? {{ g.height }} - top : {{ g.kh }};
            const int32_t kx0 = left < 0 ? -left : 0;
            const int32_t kx1 = {{ g.width }} - left < {{ g.kw }} ? {{ g.width }} - left : {{ g.kw }};
{% endif %}
            const int8_t *w = weight;
            for (int32_t channel = 0; channel < {{ g.channels }}; channel += {{ block }}) {
                uint32_t sum[{{ block }}] = {(uint32_t)bias[channel], (uint32_t)bias[channel + 1]
{%- for i in range(2, block, 2) %},
                    (uint32_t)bias[channel + {{ i }}], (uint32_t)bias[channel + {{ i + 1 }}]
{%- endfor %}};
{% if g.padded %}
                for (int32_t ky = ky0; ky < ky1; ++ky) {
                    /* The taps of one row that lie inside are one contiguous run. */
                    const int8_t *in = x + ((top + ky) * {{ g.width }} + left + kx0) * {{ g.depth }};
                    const int8_t *row = w + (ky * {{ g.kw }} + kx0) * {{ block * g.depth }};
                    for (int32_t k = (kx1 - kx0) * {{ g.depth }}; k > 0; --k) {
                        const int32_t value = *in++ - in_zero;
{% for i in range(block) %}
                        sum[{{ i }}] += (uint32_t)(value * row[{{ i }}]);
{% endfor %}
                        row += {{ block }};
                    }
                }
                w += {{ block * g.kh * g.kw * g.depth }};
{% else %}
{% if g.kh > 1 %}
                for (int32_t ky = 0; ky < {{ g.kh }}; ++ky) {
                    const int8_t *in = x + ((top + ky) * {{ g.width }} + left) * {{ g.depth }};
{% else %}
                {
                    const int8_t *in = x + (top * {{ g.width }} + left) * {{ g.depth }};
{% endif %}
                    for (int32_t k = 0; k < {{ g.kw * g.depth }}; ++k) {
                        const int32_t value = *in++;
{% for i in range(block) %}
                        sum[{{ i }}] += (uint32_t)(value * w[{{ i }}]);
{% endfor %}
                        w += {{ block }};
                    }
                }
{% endif %}
{% if g.channels % block == 0 %}
                for (int32_t i = 0; i < {{ block }}; ++i) {
{% else %}
                const int32_t count = {{ g.channels }} - channel < {{ block }} ? {{ g.channels }} - channel : {{ block }};
                for (int32_t i = 0; i < count; ++i) {
{% endif %}
                    const int32_t scaled = {{ scale }}((int32_t)sum[i],
                        multiplier[channel + i], shift[channel + i]);
                    *y++ = te_clamp(scaled + out_zero, {{ low }}, {{ high }});
                }
            }
        }
    }
}
"""


class Conv2DPortable(Kernel[Conv2D]):
    """Any kernel, stride and padding; the fallback and the oracle on the target."""

    name = "conv2d_s8_portable"
    layer = Conv2D

    def configurations(
        self, network: Network, layer: Conv2D, target: Target
    ) -> Sequence[Configuration]:
        # Where other kernels are faster by far, choices of this one would only be tried in vain.
        if target.has("dsp") or target.has("mve"):
            return ({},)
        return tuple({"block": block} for block in BLOCKS)

    def overlap(
        self, network: Network, layer: Conv2D, configuration: Configuration
    ) -> dict[int, int]:
        """Pixel by pixel; a window is read again for every block of channels."""
        return {0: raster_overlap(geometry_of(network, layer), window_kept=False)}

    def emit(self, network: Network, layer: Conv2D, configuration: Configuration) -> Code:
        return emit_convolution(network, layer, configuration.get("block", BLOCK))


def emit_convolution(network: Network, layer: Conv2D | Dense, block: int = BLOCK) -> Code:
    """Code of a convolution, or of a dense layer as a 1x1 convolution over its rows."""
    geometry = geometry_of(network, layer)
    x, y = network.input_of(layer), network.output_of(layer)
    bias = layer.bias if geometry.padded else bias_with_input_zero_point(network, layer)
    weight = pad_channels(layer.weight.reshape(geometry.channels, -1), block)
    blocks = weight.reshape(-1, block, weight.shape[1]).transpose(0, 2, 1)
    text = render(
        TEMPLATE,
        g=geometry,
        block=block,
        scale=scale_helper(network),
        low=layer.clamp[0],
        high=layer.clamp[1],
    )

    def call(operands: Operands, names: Sequence[str]) -> str:
        c = operands.constant
        return (
            f"{names[0]}({operands.inputs[0]}, {c('weight')}, {c('bias')}, {c('multiplier')}, "
            f"{c('shift')}, {x.zero_point}, {y.zero_point}, {operands.output});"
        )

    name = f"te_{layer.op}_{geometry.label}"
    return Code(
        functions=(Function(name, text, (scale_helper(network), "te_clamp")),),
        constants=(
            Constant("weight", np.ascontiguousarray(blocks).reshape(-1)),
            *requantise_constants(network, layer, bias, block),
        ),
        call=call,
    )
