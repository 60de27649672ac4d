"""Collection of a job's events into its result."""

from __future__ import annotations

from dataclasses import dataclass, field

from ldrps_client import events
from ldrps_client._result import Result
from ldrps_client.files import LoadedFile
from ldrps_engine.errors import InternalError, SettingsError
from ldrps_engine.photo import Mask
from ldrps_engine.settings import Settings


@dataclass(kw_only=True)
class Gathered:
    """Everything a job has reported so far."""

    layers: list[events.Layer] = field(default_factory=list)
    diagnosed: events.Diagnosed | None = None
    description: str = ""
    remarks: tuple[str, ...] = ()
    encoded: str = ""
    """Format of the files that the layers came as, if they did."""
    done: events.Done | None = None

    def add(self, event: events.Event) -> None:
        """Keep what belongs to the result."""
        match event:
            case events.Layer():
                self.layers.append(event)
            case events.EncodedLayer():
                self.encoded = event.format
            case events.Diagnosed():
                self.diagnosed = event
            case events.Described(text, _, remarks):
                self.description, self.remarks = text, remarks
            case events.Done():
                self.done = event

    def result(
        self,
        settings: Settings,
        job_id: str,
        source: LoadedFile | None,
        mask: Mask | None = None,
    ) -> Result:
        """Return the finished result; InternalError if the job ended without one.

        `mask`: what was marked as damage, where that is known.
        """
        if self.encoded:
            raise SettingsError(
                f"the result of job {job_id} is a {self.encoded} file; take it from Client.watch"
            )
        if self.done is None or not self.layers:
            raise InternalError("the job ended without a photo; please report this")
        return Result(
            layers=tuple(self.layers),
            settings=settings,
            diagnosis=self.diagnosed.diagnosis if self.diagnosed else None,
            words=self.diagnosed.words if self.diagnosed else "",
            description=self.description,
            seconds=self.done.seconds,
            model=self.done.model,
            seed=self.done.seed,
            job_id=job_id,
            model_hash=self.done.model_hash,
            generated=self.done.generated,
            filled=None if mask is None else _filled(settings, mask),
            remarks=self.remarks,
            source=source,
        )


def _filled(settings: Settings, mask: Mask) -> float | None:
    """Return the share of the photo that was filled; None if the settings leave it alone."""
    left_alone = settings.strength == 0 or settings.amounts.get("damage") == 0
    return None if left_alone else float(mask.mean())
