# SPDX-License-Identifier: Apache-2.0
"""The last steps of every import into Relay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tvm
from tvm import relay
from tvm.relay.build_module import bind_params_by_name


def finished(
    module: tvm.IRModule,
    params: Mapping[str, Any],
    attributes: Mapping[str, Sequence[Any]],
    inputs: Sequence[str],
) -> tvm.IRModule:
    """The typed module with bound parameters.

    `inputs` names the inputs in the order of the file; `attributes` are put on `main`.
    """
    main = module["main"]
    if params:
        main = bind_params_by_name(main, dict(params))
    # The importer lists inputs in the order in which they are read.
    by_name = {str(parameter.name_hint): parameter for parameter in main.params}
    if sorted(by_name) == sorted(inputs):
        ordered = [by_name[name] for name in inputs]
        main = relay.Function(ordered, main.body, main.ret_type, main.type_params, main.attrs)
    for name, values in attributes.items():
        main = main.with_attr(name, tvm.runtime.convert(list(values)))
    result = tvm.IRModule(module.functions, module.type_definitions)
    result["main"] = main
    return relay.transform.InferType()(result)
