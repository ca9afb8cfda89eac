import { useState } from "react";
import { useSearchParams } from "react-router";

import type { Segment } from "../api/types";
import { useSegments } from "./queries";
import { segmentIndexAt, segmentSpan, viewHolding, type Span } from "./timeline-model";

/** Lengths of time that fit on the timeline; an hour is what is looked for most. */
export const VIEW_LENGTHS_MS = [3_600_000, 6 * 3_600_000, 24 * 3_600_000] as const;

/** Without a moment in the address playback begins here: the last whole segment is stored by then. */
const DEFAULT_BACK_MS = 3 * 60_000;

/** A jump over less than this is a seam between two segments and not worth a word. */
const WORTH_SAYING_MS = 2_000;

export interface Playback {
  readonly camera: string;
  readonly view: Span;
  readonly lengthMs: number;
  readonly segments: readonly Segment[];
  readonly isLoading: boolean;
  readonly error: unknown;
  /** What was last asked for, in the address or by hand. */
  readonly chosenMs: number;
  readonly positionMs: number;
  readonly current: Segment | null;
  readonly next: Segment | null;
  readonly start: { readonly atMs: number };
  readonly playing: boolean;
  /** The newest segment has ended: playing goes on as soon as the next one is stored. */
  readonly isWaiting: boolean;
  /** A stretch without recording that was just jumped over. */
  readonly skipped: Span | null;
  readonly setLength: (lengthMs: number) => void;
  readonly setPlaying: (playing: boolean) => void;
  readonly choose: (camera: string) => void;
  readonly seek: (atMs: number) => void;
  readonly onTime: (atMs: number) => void;
  readonly onEnded: () => void;
}

/** Everything that moves in playback. The camera and the last chosen moment are in the address. */
export function usePlayback(firstCamera: string): Playback {
  const [search, setSearch] = useSearchParams();
  const [opened] = useState(() => Date.now());
  const camera = search.get("camera") ?? firstCamera;
  const chosenMs = momentOf(search.get("at")) ?? opened - DEFAULT_BACK_MS;

  const [lengthMs, setLength] = useState<number>(VIEW_LENGTHS_MS[0]);
  const [played, setPlayed] = useState<{ chosenMs: number; atMs: number } | null>(null);
  const [started, setStarted] = useState<{ chosenMs: number; start: { atMs: number }; skipped: Span | null } | null>(
    null,
  );
  const [ended, setEnded] = useState<{ atMs: number } | null>(null);
  const [playing, setPlaying] = useState(true);

  const positionMs = played?.chosenMs === chosenMs ? played.atMs : chosenMs;
  const [heldView, setView] = useState<Span | null>(null);
  const view = viewHolding(positionMs, lengthMs, heldView, opened);
  if (view !== heldView) setView(view);

  const recordings = useSegments(camera, view);
  const segments = recordings.data?.segments ?? [];
  const [chosenStart, setChosenStart] = useState({ atMs: chosenMs });
  if (chosenStart.atMs !== chosenMs) setChosenStart({ atMs: chosenMs });
  const run = started?.chosenMs === chosenMs ? started : null;
  const start = run?.start ?? chosenStart;
  const index = segmentIndexAt(segments, start.atMs);
  const current = segments[index] ?? null;
  const next = index < 0 ? null : (segments[index + 1] ?? null);
  const isWaiting = ended === start;

  const begin = (id: string, atMs: number) => {
    const wholeMs = Math.round(atMs); // as the address will have it
    setStarted({ chosenMs: wholeMs, start: { atMs: wholeMs }, skipped: null });
    setPlayed(null);
    setSearch({ camera: id, at: new Date(wholeMs).toISOString() }, { replace: true });
  };
  const goOn = (from: Segment, to: Segment) => {
    const { endMs } = segmentSpan(from);
    const { startMs } = segmentSpan(to);
    const skipped = startMs - endMs > WORTH_SAYING_MS ? { startMs: endMs, endMs: startMs } : null;
    setStarted({ chosenMs, start: { atMs: startMs }, skipped });
  };
  if (isWaiting && playing && current !== null && next !== null) goOn(current, next);

  return {
    camera,
    view,
    lengthMs,
    segments,
    isLoading: recordings.isPending && camera !== "",
    error: recordings.error,
    chosenMs,
    positionMs,
    current,
    next,
    start,
    playing,
    isWaiting,
    skipped: run?.skipped ?? skippedBefore(current, start.atMs),
    setLength,
    setPlaying,
    choose: (id) => begin(id, positionMs),
    seek: (atMs) => begin(camera, Math.min(atMs, Date.now())),
    onTime: (atMs) => setPlayed({ chosenMs, atMs }),
    onEnded: () => {
      if (current !== null && next !== null) goOn(current, next);
      else setEnded(start);
    },
  };
}

function momentOf(value: string | null): number | null {
  const atMs = value === null ? NaN : Date.parse(value);
  return Number.isNaN(atMs) ? null : atMs;
}

/** The chosen moment was not recorded: playing began with the first picture after it. */
function skippedBefore(current: Segment | null, atMs: number): Span | null {
  if (current === null) return null;
  const { startMs } = segmentSpan(current);
  return startMs - atMs > WORTH_SAYING_MS ? { startMs: atMs, endMs: startMs } : null;
}
