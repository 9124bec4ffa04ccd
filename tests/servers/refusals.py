"""What the providers answer when they do not do as they are asked, in their own forms."""

import json
from collections.abc import Mapping
from typing import Final

from tests.servers.faults import Refusal


def _s3(status: int, code: str, message: str) -> Refusal:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Refusal(status, body.encode(), [("Content-Type", "application/xml")])


def _gcs(status: int, reason: str, message: str) -> Refusal:
    error = {"code": status, "message": message, "errors": [{"message": message, "reason": reason}]}
    return Refusal(status, json.dumps({"error": error}).encode(), [("Content-Type", "application/json")])


def _azure(status: int, code: str, message: str) -> Refusal:
    text = f"{message}\nRequestId:0\nTime:2026-01-01T00:00:00.0000000Z"
    body = f'\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{text}</Message></Error>'
    return Refusal(status, body.encode(), [("Content-Type", "application/xml"), ("x-ms-error-code", code)])


_SIGNATURE: Final = "Server failed to authenticate the request. Make sure the value of Authorization header is formed"

S3: Final[Mapping[str, Refusal]] = {
    "busy": _s3(503, "SlowDown", "Please reduce your request rate."),
    "throttled": _s3(429, "TooManyRequests", "Please reduce your request rate."),
    "failing": _s3(500, "InternalError", "We encountered an internal error. Please try again."),
    "denied": _s3(403, "AccessDenied", "Access Denied"),
    "expired": _s3(400, "ExpiredToken", "The provided token has expired."),
    "skewed": _s3(403, "RequestTimeTooSkewed", "The difference between the request time and the server's is too large"),
    "vanished": _s3(404, "NoSuchBucket", "The specified bucket does not exist"),
    "no batches": _s3(501, "NotImplemented", "A header you provided implies functionality that is not implemented"),
}
GCS: Final[Mapping[str, Refusal]] = {
    "busy": _gcs(503, "backendError", "Backend Error"),
    "throttled": _gcs(429, "rateLimitExceeded", "The object exceeded the rate limit for object mutation operations"),
    "failing": _gcs(500, "internalError", "We encountered an internal error. Please try again."),
    "denied": _gcs(403, "forbidden", "sweeper does not have storage.objects.list access to the bucket."),
    "expired": _gcs(401, "authError", "Invalid Credentials"),
    "skewed": _gcs(401, "authError", "Invalid JWT: Token must be a short-lived token and in a reasonable timeframe"),
    "vanished": _gcs(404, "notFound", "The specified bucket does not exist."),
}
AZURE: Final[Mapping[str, Refusal]] = {
    "busy": _azure(503, "ServerBusy", "The server is busy."),
    "throttled": _azure(429, "TooManyRequests", "The request was throttled."),
    "failing": _azure(500, "InternalError", "The server encountered an internal error. Please retry the request."),
    "denied": _azure(403, "AuthorizationPermissionMismatch", "This request is not authorized to perform this."),
    "expired": _azure(403, "AuthenticationFailed", _SIGNATURE),
    "skewed": _azure(403, "AuthenticationFailed", _SIGNATURE),
    "vanished": _azure(404, "ContainerNotFound", "The specified container does not exist."),
    "no batches": _azure(501, "NotImplemented", "The requested operation is not implemented."),
}
