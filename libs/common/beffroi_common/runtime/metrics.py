"""Every metric of Beffroi, with its unit: the closed list that dashboards and alarms are written against."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

LATENCY_BUCKETS_S = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)

RECORDS_HANDLED = Counter(
    "beffroi_records_handled_total",
    "Records read from the bus, by outcome (ok, dead_letter, retry_later)",
    ["topic", "outcome"],
)
DEAD_LETTERS = Counter("beffroi_dead_letters_total", "Messages sent to the dead letters", ["topic"])
RECORD_CRASHES = Counter(
    "beffroi_record_crashes_total",
    "Unexpected errors about one record; after the second it is a dead letter",
    ["topic"],
)
CAMERA_CRASHES = Counter(
    "beffroi_camera_crashes_total", "Unexpected errors about what one camera sent; it is tried again", ["camera"]
)
BEHIND_SECONDS = Gauge(
    "beffroi_behind_seconds", "Age of the oldest message that this reader is not done with, by topic", ["topic"]
)
HEADROOM_SECONDS = Gauge(
    "beffroi_headroom_seconds",
    "Until the broker deletes the oldest message that this reader is not done with, by age or by bytes",
    ["topic"],
)
RECORDS_OVERTAKEN = Counter(
    "beffroi_records_overtaken_total", "Messages that the broker deleted before they were read", ["topic"]
)
BATCHES_MISSING = Counter(
    "beffroi_batches_missing_total",
    "Frame batches that never came to this reader: gone from the broker before (overtaken), or not on it (not_sent)",
    ["camera", "reason"],
)
BATCHES_IN = Counter("beffroi_batches_in_total", "Frame batches taken in", ["camera"])
BATCHES_OUT = Counter("beffroi_batches_out_total", "Frame batches handed on", ["camera"])
BATCHES_DROPPED = Counter(
    "beffroi_batches_dropped_total", "Frame batches not handed on, by reason", ["camera", "reason"]
)
OUTPUTS_REFUSED = Counter(
    "beffroi_outputs_refused_total",
    "Messages that the broker will never take; without a camera: dead letters",
    ["camera", "topic"],
)
LANE_OPEN = Gauge(
    "beffroi_lane_open",
    "1 while the newest key pictures of a partition are masked ahead of those that are caught up",
    ["partition"],
)
LANE_PICTURES = Counter(
    "beffroi_lane_pictures_total",
    "Key pictures masked ahead of those that are caught up, by outcome (sent, or why not)",
    ["camera", "outcome"],
)
FRAMES_IN = Counter("beffroi_frames_in_total", "Pictures taken in", ["camera"])
FRAMES_OUT = Counter("beffroi_frames_out_total", "Pictures handed on", ["camera"])
FRAMES_DROPPED = Counter("beffroi_frames_dropped_total", "Pictures not handed on, by reason", ["camera", "reason"])
CAPTURE_AGE_SECONDS = Histogram(
    "beffroi_capture_age_seconds",
    "Age of a picture when this service is done with it",
    ["camera"],
    buckets=LATENCY_BUCKETS_S,
)
WORK_SECONDS = Histogram(
    "beffroi_work_seconds",
    "Time spent on one unit of work, by step",
    ["step"],
    buckets=(0.001, 0.005, 0.02, 0.05, 0.1, 0.5, 2.0),
)
QUEUE_BYTES = Gauge("beffroi_queue_bytes", "Bytes waiting in a bounded queue", ["queue"])
QUEUE_LIMIT_BYTES = Gauge("beffroi_queue_limit_bytes", "What may wait in a bounded queue at most", ["queue"])
TABLE_AGE_SECONDS = Gauge(
    "beffroi_table_age_seconds", "How long ago all of a topic that is kept in memory was known to be read", ["topic"]
)
CONFIGURATIONS_UNDONE = Counter(
    "beffroi_configurations_undone_total", "Messages of cameras.v1 that nobody here decided, and that were undone"
)
CAMERA_UP = Gauge("beffroi_camera_up", "1 while pictures of the camera arrive", ["camera"])
ALERTS = Counter("beffroi_alerts_total", "Alerts by rule and state", ["camera", "rule", "state"])
OBJECTS_STORED = Counter("beffroi_objects_stored_total", "Segments stored", ["camera"])
LAST_STORED_TIMESTAMP = Gauge(
    "beffroi_last_segment_stored_timestamp_seconds", "When a segment of the camera was stored last, UTC", ["camera"]
)
LAST_SWEEP_TIMESTAMP = Gauge(
    "beffroi_last_retention_sweep_timestamp_seconds",
    "When all that was due had been destroyed last, UTC; only of the instance that destroys",
    ["store"],
)
STORED_BYTES = Counter("beffroi_stored_bytes_total", "Bytes of segments stored", ["camera"])
RECORDINGS_FOUND_GONE = Counter(
    "beffroi_recordings_found_gone_total",
    "Recordings that were gone from the bucket without our doing, by whether their retention was over (yes, no)",
    ["due"],
)
STORE_FAILURES = Counter("beffroi_store_failures_total", "Calls to the object store that failed", ["operation"])
CLOCK_AHEAD_SECONDS = Gauge(
    "beffroi_clock_ahead_seconds",
    "How far the clock of another part (broker, store) is ahead of the one here at least; negative: behind",
    ["of"],
)
HTTP_REQUESTS = Counter("beffroi_http_requests_total", "Requests answered by the api", ["route", "method", "status"])
LIVE_VIEWERS = Gauge("beffroi_live_viewers", "Live views open at present", ["camera", "view"])
