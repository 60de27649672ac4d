"""Hours, rate, battery and longer and longer pauses."""

from datetime import datetime, time

import pytest

from ldrps_client.hotfolder.config import Schedule, parse_hours
from ldrps_client.hotfolder.work._retry import Backoff
from ldrps_client.hotfolder.work._scheduler import Scheduler, on_battery
from ldrps_engine.errors import SettingsError


def test_hours_past_midnight():
    now = [datetime(2026, 1, 1, 23, 30)]
    scheduler = Scheduler(Schedule(hours=parse_hours("22:00-6:00")), wall=lambda: now[0])
    assert scheduler.closed() == ""
    now[0] = datetime(2026, 1, 2, 5, 59)
    assert scheduler.closed() == ""
    now[0] = datetime(2026, 1, 2, 6, 0)
    assert "22:00 to 06:00" in scheduler.closed()
    assert parse_hours("09:00-17:30") == (time(9), time(17, 30))
    for wrong in ("9-17", "25:00-26:00", "09:00", "08:00-08:00"):
        with pytest.raises(SettingsError, match="hours"):
            parse_hours(wrong)


def test_the_rate():
    now = [100.0]
    scheduler = Scheduler(Schedule(per_hour=60), clock=lambda: now[0])
    assert scheduler.closed() == ""
    scheduler.began()
    assert "60 photos an hour" in scheduler.closed()
    now[0] += 60
    assert scheduler.closed() == ""


def test_battery(tmp_path):
    def supply(name, **files):
        (tmp_path / name).mkdir(exist_ok=True)
        for key, value in files.items():
            (tmp_path / name / key).write_text(f"{value}\n")

    assert not on_battery(tmp_path / "none")
    supply("mouse", type="Battery", status="Discharging", scope="Device")
    assert not on_battery(tmp_path)
    supply("BAT0", type="Battery", status="Discharging")
    assert on_battery(tmp_path)
    scheduler = Scheduler(Schedule(pause_on_battery=True), supplies=tmp_path)
    assert scheduler.closed() == "on battery"
    supply("AC", type="Mains", online=1)
    assert not on_battery(tmp_path)
    assert scheduler.closed() == ""


def test_backoff_grows_to_a_limit():
    backoff = Backoff(1.0, 5.0)
    assert [backoff.next() for _ in range(5)] == [1, 2, 4, 5, 5]
    backoff.reset()
    assert backoff.next() == 1
