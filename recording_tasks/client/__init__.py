"""Agora's six methods over HTTP."""

from recording_tasks.client.methods import Client, Credentials, Permit, Retries, Timeouts

__all__ = ["Client", "Credentials", "Permit", "Retries", "Timeouts"]
