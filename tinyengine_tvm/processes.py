# SPDX-License-Identifier: Apache-2.0
"""Worker processes that don't outlive the program that began them."""

from __future__ import annotations

import os
import threading
import time


def die_with(parent: int) -> None:
    """Ends this worker soon after its parent: a killed parent can't tell it to."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
