"""The statements of the store's hot paths, built once: building one costs more than running it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import sqlalchemy as sa

from recording_tasks.models import AWAITED_LANE, SessionState, Step
from recording_tasks.store.driver import Prepared, prepared
from recording_tasks.store.schema import apps, recordings, sessions, timeline


def among(words: Iterable[str | int]) -> sa.BindParameter[Any]:
    """Write a fixed list into the statement itself: a plan for any list would read everything."""
    return sa.bindparam(None, list(words), expanding=True, literal_execute=True)


_LANES = tuple(sorted({step.lane for step in Step}))
_START_LANES = (Step.START.lane, Step.ACQUIRE.lane)
_WAITS = (SessionState.UNACCOUNTED.value,)  # because of its end
_BEGINS = (SessionState.PLANNED.value, SessionState.ACQUIRED.value, SessionState.STARTING.value)
_id = sa.bindparam("id", type_=sa.Text())
_app = sa.bindparam("app", type_=sa.Text())
_apps = sa.bindparam("apps", type_=sa.Text(), expanding=True)
_now = sa.bindparam("now", type_=sessions.c.due_at.type)
_until = sa.bindparam("until", type_=sessions.c.due_at.type)
_ahead = sa.bindparam("ahead", type_=sessions.c.due_at.type)
_most = sa.bindparam("most", type_=sa.Integer())
# What repeats its stop waits in the stops' own lane.  A stop in doubt may stand in another one.
_ends_yet = sessions.c.lane != Step.STOP.lane
_is_free = sa.or_(sessions.c.lease_until.is_(None), sessions.c.lease_until <= _now)

CLAIM_COLUMNS = (
    "state",
    "epoch",
    "claimed",
    "slot_at",
    "lease_until",
    "is_sending",
    "is_probe",
)

ASKED_BY = "asked_by"  # the fact that names the message which brought a caller's wish

HEEDED = (
    sa.select(timeline.c.id)
    .where(
        timeline.c.recording_id == _id,
        timeline.c.facts[ASKED_BY].as_string() == sa.bindparam("asked_by", type_=sa.Text()),
    )
    .limit(1)
)

RECORDING = sa.select(recordings).where(recordings.c.id == _id)
RECORDING_BY_KEY = sa.select(recordings).where(recordings.c.key == sa.bindparam("key"))

# PostgreSQL's name for the version of a row: the transaction that wrote it.
recording_mark = sa.literal_column("recordings.xmin::text", sa.Text())
session_mark = sa.literal_column("sessions.xmin::text", sa.Text())
_marked = (recordings, sessions, recording_mark, session_mark)

_both = sa.select(recordings, sessions)
WITH_SESSION = (
    _both.join_from(recordings, sessions, sessions.c.recording_id == recordings.c.id)
    .where(sessions.c.id == _id)
    .with_for_update()
)
_is_latest = sa.and_(
    sessions.c.recording_id == recordings.c.id,
    sessions.c.number == recordings.c.session_count,
)
LATEST = _both.join_from(recordings, sessions, _is_latest).where(recordings.c.id == _id)
WITH_LATEST = LATEST.with_for_update()
MARKED_LATEST = (
    sa.select(*_marked).join_from(recordings, sessions, _is_latest).where(recordings.c.id == _id)
)

_quota = sa.select(apps.c.quota).where(apps.c.name == _app)
QUOTA_PATIENTLY = _quota.with_for_update()
QUOTA_IF_FREE = _quota.with_for_update(skip_locked=True)

_asked_about = sa.and_(
    sessions.c.is_open,
    sessions.c.lane.in_(among([AWAITED_LANE, Step.QUERY.lane])),
)


def _live(of_apps: sa.ColumnElement[bool]) -> sa.Select[Any]:
    count = sa.select(sa.func.count()).where(of_apps, _asked_about)
    return sa.select(count.scalar_subquery(), _quota.scalar_subquery())


LIVE = _live(sessions.c.app == _app)
LIVE_TOGETHER = _live(sessions.c.app.in_(_apps))

# Not those that are unaccounted: after an outage of start most of them never began, and they
# would hold their places for hours.  Where they did, Agora itself says that there is no room.
_has_room = [
    state.value
    for state in SessionState
    if (state.may_run or state.has_resource) and state is not SessionState.UNACCOUNTED
]
_soon = sa.bindparam("soon", type_=sessions.c.due_at.type)
_is_acquired = sa.and_(sessions.c.claimed.is_not(None), sessions.c.lease_until > _now)
_begins = sa.and_(sessions.c.app == _app, sessions.c.is_open, sessions.c.lane == Step.ACQUIRE.lane)
# They read what is open at most, and never the past.
CROWD = sa.select(
    sa.select(sa.func.count())
    .where(
        sessions.c.app == _app,
        sessions.c.is_open,
        sessions.c.lane.in_(among(lane for lane in _LANES if lane != Step.ACQUIRE.lane)),
        sessions.c.state.in_(among(_has_room)),
    )
    .scalar_subquery(),
    sa.select(sa.func.count())
    .where(_begins, sessions.c.due_at <= _soon, _is_acquired)
    .scalar_subquery(),
    sa.select(sa.func.count())
    .where(_begins, sessions.c.due_at <= _now, _is_free)
    .scalar_subquery(),
)

UIDS = sa.select(sessions.c.uid).where(
    sessions.c.app == _app, sessions.c.channel == sa.bindparam("channel"), sessions.c.is_open
)

CLAIM = (
    sa.update(sessions)
    .where(
        sessions.c.id == sa.bindparam("b_id"),
        sessions.c.epoch == sa.bindparam("b_epoch"),
        sessions.c.is_sending == sa.bindparam("b_was_sending"),
    )
    .values({name: sa.bindparam(f"b_new_{name}") for name in CLAIM_COLUMNS})
)


@cache
def take(columns: tuple[str, ...]) -> sa.Update:
    """Begin a claimed call, and write these columns with it."""
    return (
        sa.update(sessions)
        .where(
            sessions.c.id == sa.bindparam("of_id"),
            sessions.c.epoch == sa.bindparam("of_epoch"),
            sessions.c.claimed == sa.bindparam("of_step"),
            sa.not_(sessions.c.is_sending),
            sessions.c.slot_at <= sa.bindparam("latest_slot"),
        )
        .values({"is_sending": True} | {name: sa.bindparam(f"new_{name}") for name in columns})
    )


@cache
def take_marked(columns: tuple[str, ...]) -> Prepared:
    """Begin a claimed call, and read what it needs of the recording with it; PostgreSQL only."""
    taken = take(columns).where(recordings.c.id == sessions.c.recording_id)
    return prepared(taken.returning(*_marked))


@cache
def apps_with_work() -> sa.Executable:
    """Name the apps that have an open session with something due until then.

    Starts and their acquires are looked for further ahead: a herd of them begins early.
    """
    # Each question asks for the first of an order that an index has: so it is answered at once,
    # however many recordings lie ahead or behind.
    mine = sa.and_(sessions.c.app == apps.c.name, sessions.c.is_open)
    stop = sa.select(sessions.c.stop_at).where(mine).order_by(sessions.c.stop_at)
    due = {
        lane: sa.select(sessions.c.due_at)
        .where(mine, sessions.c.lane == lane)
        .order_by(sessions.c.due_at)
        for lane in _LANES
    }
    starts = [_first(due[lane]) <= _ahead for lane in _START_LANES]
    others = [_first(due[lane]) <= _until for lane in _LANES if lane not in _START_LANES]
    stops = [_first(stop) <= _until, _first(due[Step.STOP.lane]) <= _until]
    has_starts, has_stops = (
        sa.func.coalesce(sa.or_(*some), sa.false()) for some in (starts, stops)
    )
    return (
        sa.select(apps.c.name, has_starts.label("has_starts"), has_stops.label("has_stops"))
        .where(sa.or_(_first(stop) <= _until, *starts, *others))
        .order_by(apps.c.name)  # the same turn in every sweep, so that none is left out for long
    )


def _first(instants: sa.Select[Any]) -> sa.ScalarSelect[Any]:
    return instants.limit(1).scalar_subquery()


@cache
def due() -> sa.Executable:
    """Read and hold the free sessions that need something until then, some of each lane.

    One that is due for two reasons comes twice.  Stops of what runs have a place of their own: what
    was never begun and is over now takes none of it, nor does what repeats its stop.  Of the starts
    of one instant, whose resource is the oldest comes first: of a large herd's, others would grow
    too old.
    """
    # Said by what it is not: most of what is over is neither, so that the planner sees no reason
    # to read all that is open instead of the first of an order.
    mine = sa.and_(sessions.c.app == _app, sessions.c.is_open, _is_free)
    ends = sa.select(sessions).where(mine, _ends_yet, sessions.c.stop_at <= _until)
    branches = [
        ends.where(sessions.c.state.not_in(among(others))).order_by(sessions.c.stop_at)
        for others in ((*_WAITS, *_BEGINS), _WAITS)
    ]
    branches += [
        sa.select(sessions)
        .where(mine, sessions.c.lane == lane, sessions.c.due_at <= _until)
        .order_by(sessions.c.due_at, *([sessions.c.acquired_at] if lane == Step.START.lane else []))
        for lane in _LANES
    ]
    held = [
        branch.limit(_most).with_for_update(skip_locked=True).cte(f"branch_{number}")
        for number, branch in enumerate(branches)
    ]
    return sa.union_all(*(sa.select(branch) for branch in held))


@cache
def is_behind() -> sa.Executable:
    """Tell whether a stop, a start or an acquire is due that nobody has claimed."""
    mine = sa.and_(sessions.c.app == _app, sessions.c.is_open, _is_free)
    dues = [
        sa.select(sessions.c.due_at)
        .where(mine, sessions.c.lane == step.lane, sessions.c.due_at <= _now)
        .order_by(sessions.c.due_at)
        for step in (Step.STOP, Step.START, Step.ACQUIRE)
    ]
    ends = (
        sa.select(sessions.c.stop_at)
        .where(mine, _ends_yet, sessions.c.stop_at <= _now)
        .where(sessions.c.state.not_in(among((*_WAITS, *_BEGINS))))
        .order_by(sessions.c.stop_at)
    )
    return sa.select(sa.or_(*(_first(one).is_not(None) for one in (*dues, ends))))


@cache
def stops_ahead() -> sa.Executable:
    """Read when the first stops between now and then are due that nobody has claimed."""
    return _stops_ahead(sessions.c.app == _app)


def stops_ahead_together() -> sa.Executable:
    """Read the same of several apps."""
    return _stops_ahead(sessions.c.app.in_(_apps))


def _stops_ahead(of_apps: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return (
        sa.select(sessions.c.stop_at)
        .where(
            of_apps,
            sessions.c.is_open,
            _is_free,
            _ends_yet,
            sessions.c.stop_at > _now,
            sessions.c.stop_at <= _until,
            sessions.c.state.not_in(among((*_WAITS, *_BEGINS))),
        )
        .order_by(sessions.c.stop_at)
        .limit(_most)
    )


@cache
def upcoming() -> sa.Executable:
    """Read the starts of one app that lie ahead, in their order."""
    return _upcoming(sessions.c.app == _app)


def upcoming_together() -> sa.Executable:
    """Read the starts of several apps that lie ahead, in their order."""
    return _upcoming(sessions.c.app.in_(_apps))


def _upcoming(of_apps: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return (
        sa.select(sessions.c.id, sessions.c.start_at, sessions.c.step)
        .where(
            of_apps,
            sessions.c.is_open,
            sessions.c.lane.in_(_START_LANES),
            sessions.c.due_at <= _until,
        )
        .order_by(sessions.c.start_at, sessions.c.id)
        .limit(_most)
    )
