import { useEffect, useState } from "react";
import { Button, Link } from "react-aria-components";
import { useTranslation } from "react-i18next";

import type { Alert } from "../api/types";
import { useRuleName } from "../rules/queries";
import { useCameras } from "../cameras/queries";
import { useFormats } from "../i18n/formats";
import { livePath } from "../shell/paths";
import { useShortcuts } from "../shell/shortcuts";
import { useTitle } from "../shell/title";
import { ProblemNote } from "../ui/problem-note";
import { MomentForm } from "./moment-form";
import { useCameraAlerts } from "./queries";
import { SegmentPlayer } from "./segment-player";
import { Timeline, TimelineLegend } from "./timeline";
import { usePlayback, VIEW_LENGTHS_MS, type Playback } from "./use-playback";

/** A mark this close behind the position is the one being watched, not the one before. */
const SAME_MARK_MS = 3_000;

/** Playing begins this long before a mark, so that what led to it is seen. */
const LEAD_IN_MS = 10_000;

/** A segment is a minute long, and stored a moment after its last picture. */
const STORED_AFTER_MS = 90_000;

export function PlaybackPage() {
  const { t } = useTranslation();
  const cameras = useCameras();
  const playback = usePlayback(cameras.data?.[0]?.id ?? "");
  const camera = cameras.data?.find(({ id }) => id === playback.camera);
  const alerts = (useCameraAlerts(playback.camera).data ?? []).filter((alert) => isInside(alert, playback));
  const toMark = (by: 1 | -1) => {
    const mark = neighbour(alerts, playback.positionMs + LEAD_IN_MS, by);
    if (mark !== null) playback.seek(mark - LEAD_IN_MS);
  };
  useTitle(t("playback.page"));
  useShortcuts(t("playback.page"), [
    { keys: [" "], label: t("playback.playPause"), run: () => playback.setPlaying(!playback.playing) },
    { keys: ["ArrowLeft"], label: t("keys.back10"), run: () => playback.seek(playback.positionMs - 10_000) },
    { keys: ["ArrowRight"], label: t("keys.forward10"), run: () => playback.seek(playback.positionMs + 10_000) },
    { keys: ["PageDown"], label: t("keys.back300"), run: () => playback.seek(playback.positionMs - 300_000) },
    { keys: ["PageUp"], label: t("keys.forward300"), run: () => playback.seek(playback.positionMs + 300_000) },
    { keys: ["Home", "End"], label: t("keys.edges") },
    { keys: ["ArrowLeft", "ArrowRight"], label: t("keys.fine") },
    { keys: ["b"], label: t("playback.previousAlert"), run: () => toMark(-1) },
    { keys: ["n"], label: t("playback.nextAlert"), run: () => toMark(1) },
  ]);

  return (
    <div className="playback-page fills-screen">
      <div className="playback-bar">
        <h1>{t("playback.page")}</h1>
        <label>
          {t("playback.camera")}
          <select value={playback.camera} onChange={(event) => playback.choose(event.target.value)}>
            {(cameras.data ?? []).map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <MomentForm atMs={playback.chosenMs} go={playback.seek} />
        <label>
          {t("playback.length")}
          <select value={playback.lengthMs} onChange={(event) => playback.setLength(Number(event.target.value))}>
            {VIEW_LENGTHS_MS.map((lengthMs) => (
              <option key={lengthMs} value={lengthMs}>
                {t("playback.hours", { count: lengthMs / 3_600_000 })}
              </option>
            ))}
          </select>
        </label>
      </div>
      <Screen playback={playback} name={camera?.name ?? playback.camera} />
      <Timeline
        view={playback.view}
        segments={playback.segments}
        alerts={alerts}
        positionMs={playback.positionMs}
        seek={playback.seek}
      />
      <div className="actions">
        <Button className="button button-main" onPress={() => playback.setPlaying(!playback.playing)}>
          {playback.playing ? t("playback.pause") : t("playback.play")} <kbd>{t("keys.space")}</kbd>
        </Button>
        <Button className="button" onPress={() => toMark(-1)} isDisabled={alerts.length === 0}>
          {t("playback.previousAlert")} <kbd>B</kbd>
        </Button>
        <Button className="button" onPress={() => toMark(1)} isDisabled={alerts.length === 0}>
          {t("playback.nextAlert")} <kbd>N</kbd>
        </Button>
        {playback.camera !== "" && (
          <Link className="button" href={livePath(playback.camera)}>
            {t("alerts.toLive")}
          </Link>
        )}
        <TimelineLegend />
      </div>
      <Marks alerts={alerts} seek={playback.seek} />
    </div>
  );
}

function Screen({ playback, name }: { playback: Playback; name: string }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const { current, skipped } = playback;
  if (playback.error !== null) return <ProblemNote error={playback.error} />;
  if (current === null && playback.isLoading) return <p className="screen-empty">{t("shell.loading")}</p>;
  if (current === null) return <Nothing key={playback.start.atMs} fromMs={playback.start.atMs} />;
  return (
    <figure className="screen">
      <SegmentPlayer
        current={current}
        next={playback.next}
        start={playback.start}
        playing={playback.playing && !playback.isWaiting}
        label={t("playback.recordingOf", { camera: name })}
        onTime={playback.onTime}
        onEnded={playback.onEnded}
      />
      <figcaption className="screen-caption">
        <span>{name}</span>
        <span className="recorded-badge">{t("playback.recording")}</span>
        <time dateTime={new Date(playback.positionMs).toISOString()}>{formats.dateTime(playback.positionMs)}</time>
        <span role="status">
          {skipped !== null &&
            t("playback.skipped", { from: formats.time(skipped.startMs), to: formats.time(skipped.endMs) })}
          {current.missing_batches > 0 && ` ${t("playback.incomplete")}`}
        </span>
      </figcaption>
    </figure>
  );
}

/** Nothing to play from there on; what is so recent may still be on its way to the store. */
function Nothing({ fromMs }: { fromMs: number }) {
  const { t } = useTranslation();
  const [isComing, setComing] = useState(() => fromMs + STORED_AFTER_MS > Date.now());
  useEffect(() => {
    const timer = window.setTimeout(() => setComing(false), fromMs + STORED_AFTER_MS - Date.now());
    return () => window.clearTimeout(timer);
  }, [fromMs]);
  return <p className="screen-empty">{isComing ? t("playback.notYet") : t("playback.nothing")}</p>;
}

/** The marks as a list, for who cannot see or hit them on the timeline. */
function Marks({ alerts, seek }: { alerts: readonly Alert[]; seek: (atMs: number) => void }) {
  const { t } = useTranslation();
  const ruleName = useRuleName();
  const formats = useFormats();
  if (alerts.length === 0) return null;
  return (
    <section aria-labelledby="marks-heading" className="marks">
      <h2 id="marks-heading">{t("playback.marks")}</h2>
      <ul>
        {alerts.map((alert) => (
          <li key={alert.id}>
            <Button className="button" onPress={() => seek(Date.parse(alert.opened_at) - LEAD_IN_MS)}>
              {formats.time(alert.opened_at)} · {ruleName(alert.rule)} · {alert.zone_name}
            </Button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function isInside(alert: Alert, { view }: Playback): boolean {
  const atMs = Date.parse(alert.opened_at);
  return atMs >= view.startMs && atMs <= view.endMs;
}

function neighbour(alerts: readonly Alert[], positionMs: number, by: 1 | -1): number | null {
  const marks = alerts.map(({ opened_at }) => Date.parse(opened_at)).sort((a, b) => a - b);
  const found =
    by === 1
      ? marks.find((mark) => mark > positionMs + SAME_MARK_MS)
      : marks.findLast((mark) => mark < positionMs - SAME_MARK_MS);
  return found ?? null;
}
