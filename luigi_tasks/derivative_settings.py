"""The settings of what is made of the pictures; joined by `settings.Settings`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

OPERATIONS = ("thumbnail", "standard", "greyscale")
LARGEST_SIDE = 16_000  # WebP's limit is 16,383


def one_of(value: str, allowed: tuple[str, ...]) -> str:
    """The value, when it is allowed. Raises ValueError."""
    if value not in allowed:
        raise ValueError(f"must be one of {', '.join(allowed)}")
    return value


class DerivativeSettings(BaseSettings):
    """Which derivatives there are, and how each is made. Sizes are pixels."""

    derivatives: Annotated[tuple[str, ...], NoDecode] = Field(
        ("thumbnail",), description="of every stored picture: thumbnail standard greyscale, comma list; none = nothing"
    )
    kaggle_derivatives: Annotated[tuple[str, ...], NoDecode] = Field(
        ("thumbnail", "standard", "greyscale"), description="the same for the pictures of a Kaggle dataset"
    )
    thumbnail_sizes: Annotated[tuple[int, ...], NoDecode] = Field(
        (320, 1280), description="longest sides of the thumbnails in pixels, comma list"
    )
    thumbnail_quality: int = Field(80, ge=1, le=100, description="of the thumbnails, which are WebP")
    standard_size: str = Field("512x512", description="frame of the standardised copies in pixels; original keeps it")
    standard_fit: str = Field("pad", description="inside cover pad stretch: how a picture comes into the frame")
    standard_mode: str = Field("RGB", description="RGB or L (greyscale)")
    standard_format: str = Field("jpeg", description="jpeg png webp")
    standard_quality: int = Field(90, ge=1, le=100, description="means nothing to png")
    greyscale_format: str = Field("jpeg", description="jpeg png webp; greyscale copies are as large as the picture")
    greyscale_quality: int = Field(90, ge=1, le=100, description="means nothing to png")

    @field_validator("derivatives", "kaggle_derivatives", mode="before")
    @classmethod
    def _operations(cls, value: Any) -> Any:
        named = value.split(",") if isinstance(value, str) else value
        names = tuple(part.strip().lower() for part in named if part.strip())
        return () if names == ("none",) else tuple(one_of(name, OPERATIONS) for name in dict.fromkeys(names))

    @field_validator("thumbnail_sizes", mode="before")
    @classmethod
    def _sides(cls, value: Any) -> Any:
        sides = [int(side) for side in value.split(",")] if isinstance(value, str) else value
        if not all(1 <= side <= LARGEST_SIDE for side in sides):
            raise ValueError(f"must be sides from 1 to {LARGEST_SIDE}")
        return tuple(sorted(set(sides)))

    @field_validator("standard_size")
    @classmethod
    def _frame(cls, value: str) -> str:
        sides = value.split("x")
        if value != "original" and not (
            len(sides) == 2 and all(side.isdecimal() and 1 <= int(side) <= LARGEST_SIDE for side in sides)
        ):
            raise ValueError(f"must be WIDTHxHEIGHT with sides from 1 to {LARGEST_SIDE}, or original")
        return value

    @field_validator("standard_fit")
    @classmethod
    def _fit(cls, value: str) -> str:
        return one_of(value, ("inside", "cover", "pad", "stretch"))

    @field_validator("standard_mode")
    @classmethod
    def _mode(cls, value: str) -> str:
        return one_of(value, ("RGB", "L"))

    @field_validator("standard_format", "greyscale_format")
    @classmethod
    def _format(cls, value: str) -> str:
        return one_of(value, ("jpeg", "png", "webp"))

    @property
    def standard_frame(self) -> tuple[int, int] | None:
        """STANDARD_SIZE as width and height in pixels, None for the picture's own."""
        if self.standard_size == "original":
            return None
        width, height = self.standard_size.split("x")
        return int(width), int(height)
