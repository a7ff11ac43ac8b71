# SPDX-License-Identifier: Apache-2.0
"""Networks in torch, and the loop that trains them."""
