"""RTC tokens: the keys by which a recorder joins a channel, made when they are sent."""

from recording_tasks.tokens.bounded import Bounded
from recording_tasks.tokens.joining import join_token
from recording_tasks.tokens.loading import PROVIDER_VARIABLE, load_provider
from recording_tasks.tokens.provider import CertificateProvider, TokenProvider

__all__ = [
    "PROVIDER_VARIABLE",
    "Bounded",
    "CertificateProvider",
    "TokenProvider",
    "join_token",
    "load_provider",
]
