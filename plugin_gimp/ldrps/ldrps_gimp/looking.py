"""Looks of the dialog at its photo: a glance at a large one's tones, then all of it."""

from __future__ import annotations

from ldrps_gimp.daemon import Daemon
from ldrps_gimp.errors import CancelledError, RestoreError
from ldrps_gimp.glance import is_large
from ldrps_gimp.messages import Message
from ldrps_gimp.restoration import Restoration
from ldrps_gimp.settings_column import SettingsColumn


class Looking:
    """Has a photo looked at, and shows next to it what is found."""

    def __init__(self, photo: Restoration, daemon: Daemon, settings: SettingsColumn) -> None:
        self._photo, self._daemon, self._settings = photo, daemon, settings
        self.is_close = False
        """True while noise and damage alone are still looked for.

        Whatever is restored meanwhile tells them, too.
        """

    def look(self, *, fill_in: bool) -> bool:
        """Diagnose and describe; False if a description was to be filled in, and none is certain.

        The dialog's loop runs on inside.
        """
        glanced: Message = {}
        try:
            if is_large(self._photo.area) and not fill_in:
                glanced = self._photo.glance()
                self._settings.show_tones(glanced, goes_on=True)
                self.is_close = True
            found = self._photo.look()
            self._offer_models()
        except RestoreError:
            # What was seen stays true; nothing else is looked for any more.
            self._settings.show_tones(glanced, goes_on=False)
            raise
        finally:
            self.is_close = False
        return self._settings.show_found(found, fill_in)

    def _offer_models(self) -> None:
        try:
            models = self._daemon.models()
        except CancelledError:
            raise
        except RestoreError:
            # A daemon of an earlier version does not tell.
            return
        self._settings.form.offer_models(models)
