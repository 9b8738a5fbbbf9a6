"""Access tokens for Google's REST APIs, from the application default credentials (google-auth)."""

from __future__ import annotations

import threading
from typing import Any

from workflows.core.errors import AuthenticationFailed, NetworkError
from workflows.core.redaction import redact, remember

_FIX = "run as a service account, or `gcloud auth application-default login`"


class GoogleToken:
    """Tokens for one scope (`storage`: what messages call the service). Threads may share it."""

    def __init__(self, scope: str, service: str) -> None:
        self._scope = scope
        self._service = service
        self._lock = threading.Lock()
        self._credentials: Any = None

    def __call__(self, *, renew: bool = False) -> str:
        """A token; Google is asked where there is none, it ends soon, or with `renew`.

        Raises:
            AuthenticationFailed: no credentials on this machine, or they are not accepted.
            NetworkError: the token service could not be reached.
        """
        # 0.2 s of imports that runs without Google do not pay
        import google.auth
        from google.auth import exceptions
        from google.auth.transport.requests import Request

        with self._lock:
            try:
                if self._credentials is None:
                    self._credentials, _ = google.auth.default(scopes=[self._scope])
                if renew or not self._credentials.valid:
                    self._credentials.refresh(Request())
            except exceptions.TransportError as error:
                raise NetworkError(
                    f"no token for {self._service}: Google could not be reached",
                    why=redact(str(error)),
                ) from error
            except exceptions.GoogleAuthError as error:
                raise AuthenticationFailed(
                    f"there is no token for {self._service}", why=redact(str(error)), fix=_FIX
                ) from error
            token = str(self._credentials.token)
        remember([token])
        return token

    def headers(self, *, renew: bool = False) -> dict[str, str]:
        """The Authorization header with a token; errors as for calling it."""
        return {"Authorization": f"Bearer {self(renew=renew)}"}
