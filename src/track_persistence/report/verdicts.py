"""Does the filter do what was expected, and is it better than something simple? Said plainly, with the numbers."""

from collections.abc import Mapping
from typing import Any

from track_persistence.report.classifier_verdicts import profile_verdicts
from track_persistence.report.config import ReportConfig
from track_persistence.report.cue_verdicts import ablation_verdicts, fusion_verdicts
from track_persistence.report.profiles import NAMES, profiles_of
from track_persistence.report.scenario_tables import cases, specified
from track_persistence.report.scenario_verdicts import scenario_verdicts
from track_persistence.report.verdict import Verdict


def verdicts_of(
    config: ReportConfig, metrics: Mapping[str, Mapping[str, Any]], origins: Mapping[str, str]
) -> dict[str, list[Verdict]]:
    """Judge the classifier on each profile, the cues it and its rivals rest on, and every scenario, by heading.

    metrics, origins: contents and names of the metrics files of stages `train`, `fuse`, `ablate` and `scenarios`.
    """
    train, origin, age = metrics["train"], origins["train"], str(config.early_frames)
    found = {
        NAMES[profile]: profile_verdicts(config, profile, train[profile], origin)
        for profile in profiles_of(train, origin)
    }
    found["Cues and encoders"] = [
        *fusion_verdicts(metrics["fuse"], origins["fuse"], age),
        *ablation_verdicts(metrics["ablate"], origins["ablate"], age),
    ]
    scenarios, origin = metrics["scenarios"], origins["scenarios"]
    found["Scenarios in 3D"] = scenario_verdicts(config, specified(scenarios, origin), origin)
    found["Hard cases in 3D"] = scenario_verdicts(config, cases(scenarios, origin), origin)
    return {heading: verdicts for heading, verdicts in found.items() if verdicts}
