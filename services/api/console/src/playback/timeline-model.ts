/** A stretch of time in ms since 1970. */
export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/** What the timeline needs of a segment. */
export interface SegmentTimes {
  readonly starts_at: string;
  readonly ends_at: string;
}

/**
 * Segments closer together than this belong to one unbroken recording: a segment ends with its last picture, the next
 * begins one picture later, and the slowest camera allowed gives six a second.
 */
const SEAM_MS = 1_500;

export function segmentSpan(segment: SegmentTimes): Span {
  return { startMs: Date.parse(segment.starts_at), endMs: Date.parse(segment.ends_at) };
}

/** Unbroken stretches of recording inside `view`, in order. `segments` come oldest first. */
export function recordedSpans(segments: readonly SegmentTimes[], view: Span): Span[] {
  const spans: Span[] = [];
  for (const { startMs, endMs } of segments.map(segmentSpan)) {
    const last = spans.at(-1);
    if (last !== undefined && startMs - last.endMs <= SEAM_MS) {
      spans[spans.length - 1] = { startMs: last.startMs, endMs: Math.max(last.endMs, endMs) };
    } else {
      spans.push({ startMs, endMs });
    }
  }
  return spans.map((span) => clip(span, view)).filter((span) => span.endMs > span.startMs);
}

/** Stretches between recordings, where there is nothing to see: not before the first, not after the last. */
export function gaps(spans: readonly Span[]): Span[] {
  return spans.slice(1).map((span, index) => ({ startMs: spans[index]?.endMs ?? span.startMs, endMs: span.startMs }));
}

/** Index of the segment to play for this moment: the one that holds it, else the next one after it, else -1. */
export function segmentIndexAt(segments: readonly SegmentTimes[], atMs: number): number {
  return segments.findIndex((segment) => segmentSpan(segment).endMs > atMs);
}

/** Where a moment lies in `view`, from 0 to 1. */
export function fraction(atMs: number, view: Span): number {
  return Math.min(1, Math.max(0, (atMs - view.startMs) / (view.endMs - view.startMs)));
}

/** Room on the timeline after the newest moment there can be a recording of. */
const AHEAD_MS = 60_000;

/**
 * A view of this length that holds `atMs`; `view` stays as it is when it already does.
 *
 * The moment is in its middle, unless that would show what is yet to come after `latestMs`.
 */
export function viewHolding(atMs: number, lengthMs: number, view: Span | null, latestMs: number): Span {
  if (view !== null && view.endMs - view.startMs === lengthMs && atMs >= view.startMs && atMs <= view.endMs)
    return view;
  const endMs = Math.min(atMs + lengthMs / 2, Math.max(atMs, latestMs) + AHEAD_MS);
  return { startMs: endMs - lengthMs, endMs };
}

const MINUTE_MS = 60_000;
const TICK_STEPS_MS = [5, 10, 15, 30, 60, 120, 180, 360].map((minutes) => minutes * MINUTE_MS);

/** More labels than this on one line and they touch at large type. */
const MOST_TICKS = 8;

/** Round moments inside `view` for its labels. Round in this workstation's time zone, hence the offset. */
export function ticks(view: Span, offsetMs: number): number[] {
  const lengthMs = view.endMs - view.startMs;
  const stepMs = TICK_STEPS_MS.find((step) => lengthMs / step <= MOST_TICKS) ?? lengthMs / MOST_TICKS;
  const found: number[] = [];
  for (let at = Math.ceil((view.startMs + offsetMs) / stepMs) * stepMs - offsetMs; at <= view.endMs; at += stepMs) {
    found.push(at);
  }
  return found;
}

function clip(span: Span, view: Span): Span {
  return { startMs: Math.max(span.startMs, view.startMs), endMs: Math.min(span.endMs, view.endMs) };
}
