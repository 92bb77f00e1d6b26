"""The live run as the page gets it, without a browser."""

import asyncio
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest

from edge.cell import MICROMETRES
from edge.errors import UserError
from edge.frames import Frame
from edge.live.session import Session
from edge.locate import Locator
from edge.model import SHIPPED, Model
from edge.page.live import MOST, Live
from edge.red_cells import INSIDE, KnownRuler
from edge.simulator.microscope import SimulatedCamera
from edge.simulator.slide import parse
from edge.system.signals import Stop

CAMERA: Any = SimpleNamespace(exposure=None, live=True)


@pytest.fixture(scope="module")
def session() -> Session:
    """A session that has seen a drawn slide for a moment, so that cells have answers."""
    camera = SimulatedCamera(parse("seed=3,width=480,height=360,red_cell=30,white=5,faults=0,defocus=0"), paced=False)
    session = Session(Model(SHIPPED), Locator())
    for number in range(30):
        camera.grab()
        session.step(Frame(camera.retrieve(), "sim", number, 0.0, number / 30))
    return session


def asked(live: Live, session: Session, after: int = 0) -> Any:
    """What a browser gets that asks before the next frame comes."""

    async def ask() -> Any:
        request = asyncio.create_task(live.picture(after))
        await asyncio.sleep(0.05)
        assert session.frame
        live.look(Frame(session.frame.image, "sim", 9, 0.0, time.monotonic()), session, CAMERA, ["fast"])
        return await request

    return asyncio.run(ask())


@pytest.mark.parametrize("blind", [False, True])
def test_a_picture_is_made_when_a_browser_waits(session: Session, blind: bool) -> None:
    live = Live(Stop(), blind)
    assert session.frame
    live.look(session.frame, session, CAMERA, ["fast"])
    found = asked(live, session)
    assert found.number == 1 and found.jpeg[:2] == b"\xff\xd8" and abs(time.monotonic() - found.taken) < 5
    answers = {box[4] for box in json.loads(found.boxes)}
    assert answers == {""} if blind else answers - {""}
    assert asyncio.run(live.picture(1)) is None


def test_only_so_many_browsers_wait() -> None:
    async def many() -> list[Any]:
        return await asyncio.gather(*(live.picture(0) for _ in range(MOST + 1)), return_exceptions=True)

    live = Live(Stop())
    assert [type(each) for each in asyncio.run(many())].count(UserError) == 1
    live.over = True
    assert asyncio.run(live.picture(0)) is None


def test_the_scale_is_the_profiles_or_that_of_red_cells(session: Session) -> None:
    def scale(ruler: KnownRuler | None) -> tuple[float, bool]:
        live = Live(Stop(), scale=ruler)
        live.look(session.frame, session, CAMERA, ["fast"])
        return live.state()["scale"]

    assert session.red_cell
    assert scale(None) == (INSIDE * MICROMETRES / session.red_cell, False)
    assert scale(KnownRuler(40.0, 0.0, (480, 360))) == (INSIDE * MICROMETRES / 40, True)
    assert scale(KnownRuler(40.0, 0.0, (320, 320)))[1] is False, "it is of smaller pictures"


def test_what_browsers_ask_for_reaches_the_run(session: Session) -> None:
    steps: list[int] = []
    camera: Any = SimpleNamespace(exposure=10.0, live=True, expose=steps.append)
    live = Live(Stop(), waiting=True)
    for ask in (live.brighter, live.brighter, live.darker, live.flat):
        ask()
    live.look(session.frame, session, camera, ["fast"])
    live.look(session.frame, session, camera, ["fast"])
    assert steps == [1] and session.paused and not live.state()["begun"] and live.state()["exposure"] == 10
    live.pause()
    live.look(session.frame, session, camera, ["fast"])
    assert not session.paused and live.state()["begun"]
