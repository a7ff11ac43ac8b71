# SPDX-License-Identifier: Apache-2.0
"""What the kernels for cores with the DSP extension share."""
