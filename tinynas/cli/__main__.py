# SPDX-License-Identifier: Apache-2.0
"""`python -m tinynas.cli`, for torchrun."""

from . import main

main()
