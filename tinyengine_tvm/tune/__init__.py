# SPDX-License-Identifier: Apache-2.0
"""Tuning: the fastest configuration of every layer, found by measuring on emulated boards."""

from __future__ import annotations

from .budget import Budgets
from .choose import RecordChooser
from .measure import Measurement, measure
from .proposers import ProposerName
from .records import Objective, Record, Records
from .scheduler import cluster
from .tuner import Options, Progress, Tuned, tune
from .workload import Candidate, Workload, workloads_of

__all__ = [
    "Budgets",
    "Candidate",
    "Measurement",
    "Objective",
    "Options",
    "Progress",
    "ProposerName",
    "Record",
    "RecordChooser",
    "Records",
    "Tuned",
    "Workload",
    "cluster",
    "measure",
    "tune",
    "workloads_of",
]
