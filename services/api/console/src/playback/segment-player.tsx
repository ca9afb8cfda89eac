import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { problemOf, type ApiProblem } from "../api/problem";
import type { Segment } from "../api/types";
import { ProblemNote } from "../ui/problem-note";
import { segmentSpan } from "./timeline-model";

interface SegmentPlayerProps {
  readonly current: Segment;
  /** Loaded beforehand, so that playing goes on without a break. */
  readonly next: Segment | null;
  /** Where to begin in `current`; a new object each time somebody jumps. */
  readonly start: { readonly atMs: number };
  readonly playing: boolean;
  readonly label: string;
  readonly onTime: (atMs: number) => void;
  readonly onEnded: () => void;
}

interface Failure {
  readonly start: SegmentPlayerProps["start"];
  readonly problem: ApiProblem;
}

/** Plays one segment and holds the next one ready. */
export function SegmentPlayer({ current, next, start, playing, label, onTime, onEnded }: SegmentPlayerProps) {
  const { t } = useTranslation();
  // The next segment is loaded beforehand and may fail too: each keeps its own reason, until somebody jumps.
  const [failures, setFailures] = useState<ReadonlyMap<string, Failure>>(new Map());
  const failure = failures.get(current.id);
  const shown = next === null ? [current] : [current, next];
  return (
    <div className="segment-player">
      {shown.map((segment) => (
        <SegmentVideo
          key={segment.id}
          segment={segment}
          isCurrent={segment === current}
          start={start}
          playing={playing && segment === current}
          label={label}
          onTime={onTime}
          onEnded={onEnded}
          onFailed={(problem) => setFailures((before) => new Map(before).set(segment.id, { start, problem }))}
        />
      ))}
      {failure?.start === start && (
        <div className="veil">
          <p className="veil-title">{t("playback.unplayable")}</p>
          <ProblemNote error={failure.problem} />
        </div>
      )}
    </div>
  );
}

interface SegmentVideoProps extends Omit<SegmentPlayerProps, "current" | "next"> {
  readonly segment: Segment;
  readonly isCurrent: boolean;
  readonly onFailed: (problem: ApiProblem) => void;
}

function SegmentVideo({ segment, isCurrent, start, playing, label, onTime, onEnded, onFailed }: SegmentVideoProps) {
  const video = useRef<HTMLVideoElement>(null);
  const { startMs, endMs } = segmentSpan(segment);

  useEffect(() => {
    const element = video.current;
    if (element === null || !isCurrent) return;
    if (element.error !== null) element.load(); // what failed before may have been the network for a moment
    // Beyond the last picture there is nothing to show: stay just before it.
    const offsetMs = Math.min(Math.max(0, start.atMs - startMs), Math.max(0, endMs - startMs - 1));
    element.currentTime = offsetMs / 1000;
  }, [start, isCurrent, startMs, endMs]);

  useEffect(() => {
    const element = video.current;
    if (element === null) return;
    if (!playing) element.pause();
    else element.play().catch(() => undefined); // interrupted by the next jump; a real failure comes as an error event
  }, [playing, start]);

  return (
    <video
      ref={video}
      className="segment-video"
      hidden={!isCurrent}
      src={segment.video_url}
      preload="auto"
      muted
      playsInline
      aria-label={label}
      onTimeUpdate={(event) => {
        if (isCurrent) onTime(startMs + event.currentTarget.currentTime * 1000);
      }}
      onEnded={() => {
        if (isCurrent) onEnded();
      }}
      onError={() => void reasonOf(segment.video_url).then(onFailed)}
    />
  );
}

/** A video element says only that it failed; the api says why. */
async function reasonOf(url: string): Promise<ApiProblem> {
  try {
    const response = await fetch(url, { headers: { Range: "bytes=0-0" } });
    if (!response.ok) return problemOf(response.status, await response.json().catch(() => null));
  } catch {
    return problemOf(0, { code: "unreachable" });
  }
  return problemOf(0, { code: "not_decodable" });
}
