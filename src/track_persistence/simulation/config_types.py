"""Ranges and shares, as the sections of the simulator use them."""

from typing import Annotated

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt


def _ordered(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError("the lower end must not exceed the upper end")
    return value


Share = Annotated[float, Field(ge=0, le=1)]
Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
PositiveRange = Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(_ordered)]
ShareRange = Annotated[tuple[Share, Share], AfterValidator(_ordered)]
FrameRange = Annotated[tuple[PositiveInt, PositiveInt], AfterValidator(_ordered)]
QualityRange = Annotated[tuple[int, int], AfterValidator(_ordered)]
