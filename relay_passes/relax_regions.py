# SPDX-License-Identifier: Apache-2.0
"""Regions of quantised operators in a Relax module: the functions for our code generator."""

from __future__ import annotations

from collections.abc import Callable

import tvm
from tvm import relax

from .partition import partition
from .patterns import PREFIX
from .relax_graph import called, inlined, plain, renamed, with_blocks

COMPILER = "tinyengine"


def regions(module: tvm.IRModule) -> list[tuple[tvm.ir.GlobalVar, relax.Function]]:
    """The functions that the partition made for our compiler."""
    return [
        (variable, function)
        for variable, function in module.functions.items()
        if isinstance(function, relax.Function)
        and function.attrs
        and "Codegen" in function.attrs
        and str(function.attrs["Codegen"]) == COMPILER
    ]


def partition_regions(
    module: tvm.IRModule,
    takes: Callable[[relax.Function], bool],
    wanted: Callable[[relax.Function], bool],
    attributes: dict[str, str],
) -> tvm.IRModule:
    """Groups the quantised operators of `main` into composites, and those into regions.

    Args:
        module: a Relax module in QDQ form, parameters bound as constants.
        takes: whether a composite function is wanted.
        wanted: whether a region is.
        attributes: for each region.

    Returns:
        A new module, where what isn't wanted has the operators that it had. `main` calls one
        global function with attribute `Codegen` "tinyengine" per region; it holds a function with
        attribute `Composite` "tinyengine.*" per operator. A main with branches or side effects
        stays as it is.
    """
    module = relax.transform.ConvertToDataflow()(module)
    if not plain(module["main"]):
        return module
    module = partition(module)
    composites = {
        str(variable.name_hint): function
        for variable, function in module.functions.items()
        if isinstance(function, relax.Function)
        and function.attrs
        and "Composite" in function.attrs
        and str(function.attrs["Composite"]).startswith(PREFIX)
    }
    module = _without(module, {n: f for n, f in composites.items() if not takes(f)})
    module = relax.transform.MergeCompositeFunctions()(module)
    found = {str(variable.name_hint): function for variable, function in regions(module)}
    module = _without(module, {n: f for n, f in found.items() if not wanted(f)})
    return _named(module, attributes)


def _without(module: tvm.IRModule, bodies: dict[str, relax.Function]) -> tvm.IRModule:
    """The module with these functions' operators in place of their calls from main."""
    if not bodies:
        return module
    functions = {v: f for v, f in module.functions.items() if str(v.name_hint) not in bodies}
    main = module.get_global_var("main")
    functions[main] = inlined(functions[main], bodies)
    passes = [
        relax.transform.Normalize(),
        relax.transform.CanonicalizeBindings(),
        relax.transform.DeadCodeElimination(["main"]),
    ]
    return tvm.transform.Sequential(passes)(tvm.IRModule(functions, attrs=module.attrs))


def _named(module: tvm.IRModule, attributes: dict[str, str]) -> tvm.IRModule:
    """Regions under short names in the order of their calls, with attributes and in blocks."""
    main = module.get_global_var("main")
    made = {str(variable.name_hint): function for variable, function in regions(module)}
    taken = {str(variable.name_hint) for variable in module.get_global_vars()}
    names: dict[str, relax.GlobalVar] = {}
    functions = {v: f for v, f in module.functions.items() if str(v.name_hint) not in made}
    for block in module[main].body.blocks:
        for binding in block.bindings:
            old = called(binding.value)
            if old not in made or old in names:
                continue
            number = len(names)
            while f"{COMPILER}_main_{number}" in taken:
                number += 1
            names[old] = tvm.ir.GlobalVar(f"{COMPILER}_main_{number}")
            taken.add(str(names[old].name_hint))
            function = _in_blocks(made[old])
            symbol = {"global_symbol": str(names[old].name_hint)}
            for name, value in (symbol | attributes).items():
                function = function.with_attr(name, value)
            relax.expr._update_type(names[old], function.ty)
            functions[names[old]] = function
    functions[main] = renamed(module[main], names)
    return relax.transform.Normalize()(tvm.IRModule(functions, attrs=module.attrs))


def _in_blocks(function: relax.Function) -> relax.Function:
    """The region's own functions first, then its operators as a block that may be reordered."""
    bindings = [binding for block in function.body.blocks for binding in block.bindings]
    held = [b for b in bindings if isinstance(b.value, relax.Function)]
    others = [b for b in bindings if not isinstance(b.value, relax.Function)]
    return with_blocks(function, [relax.BindingBlock(held), relax.DataflowBlock(others)])
