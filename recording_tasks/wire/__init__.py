"""Agora's spelling: names, requests, storage, answers, and what each answer asks for."""

from recording_tasks.wire.addresses import check_app_id, check_base_url, path_of
from recording_tasks.wire.answers import (
    parse_acquired,
    parse_observed,
    parse_started,
    parse_stopped,
    read_answer,
)
from recording_tasks.wire.bodies import (
    RECOMMENDED_IDLE_SECONDS,
    Body,
    acquire_body,
    layout_body,
    merge_update,
    needs_storage,
    secret_names,
    start_body,
    stop_body,
    update_body,
)
from recording_tasks.wire.checks import check_layout, check_request, check_update
from recording_tasks.wire.names import HIGHEST_UID, Method, check_channel, check_uid, uid_text
from recording_tasks.wire.reactions import REACTIONS, react, was_reached
from recording_tasks.wire.storage import StorageConfig, check_storage, check_storage_region

__all__ = [
    "HIGHEST_UID",
    "REACTIONS",
    "RECOMMENDED_IDLE_SECONDS",
    "Body",
    "Method",
    "StorageConfig",
    "acquire_body",
    "check_app_id",
    "check_base_url",
    "check_channel",
    "check_layout",
    "check_request",
    "check_storage",
    "check_storage_region",
    "check_uid",
    "check_update",
    "layout_body",
    "merge_update",
    "needs_storage",
    "parse_acquired",
    "parse_observed",
    "parse_started",
    "parse_stopped",
    "path_of",
    "react",
    "read_answer",
    "secret_names",
    "start_body",
    "stop_body",
    "uid_text",
    "update_body",
    "was_reached",
]
