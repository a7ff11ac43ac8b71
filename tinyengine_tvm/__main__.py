# SPDX-License-Identifier: Apache-2.0
"""`python -m tinyengine_tvm` is the command `tinyengine`."""

from .cli import main

main()
