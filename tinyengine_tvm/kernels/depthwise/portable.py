# SPDX-License-Identifier: Apache-2.0
"""depthwise_conv2d in portable C: pixel by pixel, all channels of a pixel in a row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...network import DepthwiseConv2D, Network
from ..base import Code, Configuration, Constant, Function, Kernel, Operands, render
from ..geometry import geometry_of, raster_overlap
from ..weighted import bias_with_input_zero_point, requantise_constants, scale_helper

TEMPLATE = """\
/* {{ g.height }}x{{ g.width }}x{{ g.depth }} -> {{ g.out_height }}x{{ g.out_width }}x{{ g.channels }}, kernel \
{{ g.kh }}x{{ g.kw }}, stride {{ g.sy }}x{{ g.sx }}. Weights: [channels][kh][kw]. */
static void @NAME@(const int8_t *x, const int8_t *weight, const int32_t *bias,
    const int32_t *multiplier, const int8_t *shift, int32_t in_zero, int32_t out_zero, int8_t *y)
{
{% if not g.padded %}
    (void)in_zero; /* folded into the bias */
{% endif %}
    for (int32_t oy = 0; oy < {{ g.out_height }}; ++oy) {
        for (int32_t ox = 0; ox < {{ g.out_width }}; ++ox) {
            const int32_t top = oy * {{ g.sy }} - {{ g.pad_top }};
            const int32_t left = ox * {{ g.sx }} - {{ g.pad_left }};
{% if g.padded %}
            const int32_t ky0 = top < 0 ? -top : 0;
            const int32_t ky1 = {{ g.height }} - top < {{ g.kh }} ? {{ g.height }} - top : {{ g.kh }};
            const int32_t kx0 = left < 0 ? -left : 0;
            const int32_t kx1 = {{ g.width }} - left < {{ g.kw }} ? {{ g.width }} - left : {{ g.kw }};
{% endif %}
            const int8_t *w = weight;
            for (int32_t channel = 0; channel < {{ g.channels }}; ++channel) {
                const int32_t first = (top * {{ g.width }} + left) * {{ g.depth }}\
 + channel{{ ' / %d' % multiplier if multiplier > 1 else '' }};
                uint32_t sum = (uint32_t)bias[channel];
{% if g.padded %}
                for (int32_t ky = ky0; ky < ky1; ++ky) {
                    for (int32_t kx = kx0; kx < kx1; ++kx) {
                        const int32_t value =
                            x[first + (ky * {{ g.width }} + kx) * {{ g.depth }}] - in_zero;
                        sum += (uint32_t)(value * w[ky * {{ g.kw }} + kx]);
                    }
                }
{% else %}
                for (int32_t ky = 0; ky < {{ g.kh }}; ++ky) {
                    for (int32_t kx = 0; kx < {{ g.kw }}; ++kx) {
                        const int32_t value = x[first + (ky * {{ g.width }} + kx) * {{ g.depth }}];
                        sum += (uint32_t)(value * w[ky * {{ g.kw }} + kx]);
                    }
                }
{% endif %}
                w += {{ g.kh * g.kw }};
                const int32_t scaled = {{ scale }}((int32_t)sum, multiplier[channel], shift[channel]);
                *y++ = te_clamp(scaled + out_zero, {{ low }}, {{ high }});
            }
        }
    }
}
"""


class DepthwisePortable(Kernel[DepthwiseConv2D]):
    """Any kernel, stride, padding and depth multiplier."""

    name = "depthwise_conv2d_s8_portable"
    layer = DepthwiseConv2D

    def overlap(
        self, network: Network, layer: DepthwiseConv2D, configuration: Configuration
    ) -> dict[int, int]:
        """Pixel by pixel, each channel from its own taps of the window."""
        return {0: raster_overlap(geometry_of(network, layer), window_kept=False)}

    def emit(self, network: Network, layer: DepthwiseConv2D, configuration: Configuration) -> Code:
        geometry = geometry_of(network, layer)
        x, y = network.input_of(layer), network.output_of(layer)
        text = render(
            TEMPLATE,
            g=geometry,
            multiplier=layer.multiplier,
            scale=scale_helper(network),
            low=layer.clamp[0],
            high=layer.clamp[1],
        )
        bias = layer.bias if geometry.padded else bias_with_input_zero_point(network, layer)

        def call(operands: Operands, names: Sequence[str]) -> str:
            c = operands.constant
            return (
                f"{names[0]}({operands.inputs[0]}, {c('weight')}, {c('bias')}, "
                f"{c('multiplier')}, {c('shift')}, {x.zero_point}, {y.zero_point}, "
                f"{operands.output});"
            )

        weight = np.ascontiguousarray(np.moveaxis(layer.weight, -1, 0)).reshape(-1)
        name = f"te_depthwise_{geometry.label}"
        return Code(
            functions=(Function(name, text, (scale_helper(network), "te_clamp")),),
            constants=(Constant("weight", weight), *requantise_constants(network, layer, bias)),
            call=call,
        )
