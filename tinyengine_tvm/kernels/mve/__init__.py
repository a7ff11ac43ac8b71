# SPDX-License-Identifier: Apache-2.0
"""What kernels for cores with MVE (Helium) share."""
