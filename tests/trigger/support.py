"""What the property tests of this folder share."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# the first text that hypothesis makes takes it seconds: it reads all of Unicode once
briefly = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
