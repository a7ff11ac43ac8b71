# SPDX-License-Identifier: Apache-2.0
"""The search itself: evolution of genomes, and how good and how costly they are."""
