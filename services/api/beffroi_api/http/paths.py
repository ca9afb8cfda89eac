"""Where the api is on the public port."""

API_PREFIX = "/api/v1"
