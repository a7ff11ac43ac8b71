# SPDX-License-Identifier: Apache-2.0
"""The steps of a search, each of which finds in the project's folder what went before."""
