# SPDX-License-Identifier: Apache-2.0
"""From a partitioned TVM module to a Network.

`relax.read` turns a module of one dialect into the `Graph` of `tree.py`, which `lower.lower` turns
into a Network; only the former imports tvm.
"""
