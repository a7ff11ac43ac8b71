# SPDX-License-Identifier: Apache-2.0
"""Operators without a kernel of ours: lowered by TVM, and emitted as plain C."""
