# SPDX-License-Identifier: Apache-2.0
"""An architecture as a picture: a column per block, as high as it has channels."""

from __future__ import annotations

from tinyengine_tvm.report.scene import Line, Rectangle, Scene, Text

from ..space import Architecture, Layer

KERNELS = {1: "#9aa5b1", 3: "#6baed6", 5: "#3182bd", 7: "#08519c"}
"""Colour of a block by the width of its kernel; darker is larger."""
EXPANDED = "#dbe7f3"
INK, FAINT = "#222222", "#777777"
LEFT, TOP, COLUMN, GAP, HEIGHT = 24, 64, 46, 10, 170


def architecture_scene(architecture: Architecture, title: str) -> Scene:
    """The picture. Light: channels inside a block; dark: channels that leave it, by kernel."""
    columns = _columns(architecture)
    widest = max(inside for _, inside, _, _, _ in columns)
    scene = Scene(2 * LEFT + len(columns) * (COLUMN + GAP) - GAP, TOP + HEIGHT + 96)
    macs, weights = architecture.macs / 1e6, architecture.weights
    scene.add(
        Text(LEFT, 24, title, 14, INK, bold=True),
        Text(LEFT, 42, f"{macs:.2f} million MACs, {weights:,} weights", 11, FAINT),
    )
    base = TOP + HEIGHT
    scene.add(Line(LEFT - 8, base, scene.width - LEFT + 8, base, "#bbbbbb"))
    for at, (name, inside, outside, kernel, layer) in enumerate(columns):
        x = LEFT + at * (COLUMN + GAP)
        # Channels span two orders of magnitude: the square root shows small ones too.
        high, low = (HEIGHT * (c / widest) ** 0.5 for c in (inside, outside))
        about = f"{name}: {inside} channels inside, {outside} out, kernel {kernel}"
        scene.add(
            Rectangle(x, base - high, COLUMN, high, EXPANDED, "#b8c9da", about),
            Rectangle(x, base - low, COLUMN, low, KERNELS.get(kernel, KERNELS[7]), title=about),
        )
        if inside != outside:
            scene.add(Text(x + COLUMN / 2, base - high - 5, str(inside), 10, FAINT, "middle"))
        inked = "#ffffff" if low > 16 else INK
        y = base - low + 13 if low > 16 else base - low - 4
        scene.add(Text(x + COLUMN / 2, y, str(outside), 10, inked, "middle", bold=True))
        scene.add(Text(x + COLUMN / 2, base + 16, name, 10, INK, "middle"))
        if kernel > 1:
            size = f"1x{kernel}" if architecture.dimensions == 1 else f"{kernel}x{kernel}"
            step = " /2" if max(layer.stride) > 1 else ""
            scene.add(Text(x + COLUMN / 2, base + 30, size + step, 10, FAINT, "middle"))
    _maps(scene, columns, base + 44)
    return scene


_Column = tuple[str, int, int, int, Layer]
"""Name, channels inside, channels out, width of the kernel, and the layer whose map it has."""


def _columns(architecture: Architecture) -> list[_Column]:
    layers = {layer.name: layer for layer in architecture.layers()}
    stem = layers["stem"]
    columns = [("stem", stem.outputs[0], stem.outputs[0], stem.kernel[1], stem)]
    for index, block in enumerate(architecture.blocks):
        middle = layers[f"blocks.{index}.depthwise"]
        columns.append((f"{index + 1}", block.expanded, block.width, block.kernel, middle))
    if architecture.head:
        head = layers["head"]
        columns.append(("head", architecture.head, architecture.head, 1, head))
    last = layers["classifier"]
    columns.append(("classes", architecture.classes, architecture.classes, 1, last))
    return columns


def _maps(scene: Scene, columns: list[_Column], y: float) -> None:
    """A bracket under the columns that share a size of the feature map."""
    begin = 0
    for at in range(1, len(columns) + 1):
        size = columns[begin][4].outputs[1:]
        if at < len(columns) and columns[at][4].outputs[1:] == size:
            continue
        left = LEFT + begin * (COLUMN + GAP)
        right = LEFT + at * (COLUMN + GAP) - GAP
        text = f"{size[0]}x{size[1]}"
        scene.add(
            Line(left, y, right, y, FAINT),
            Line(left, y, left, y - 4, FAINT),
            Line(right, y, right, y - 4, FAINT),
            Text((left + right) / 2, y + 15, text, 11, INK, "middle"),
        )
        begin = at
