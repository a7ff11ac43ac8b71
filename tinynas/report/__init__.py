# SPDX-License-Identifier: Apache-2.0
"""What a search found, for people: pictures and documents."""
