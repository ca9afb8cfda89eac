import { useEffect } from "react";
import { useTranslation } from "react-i18next";

import type { Camera } from "../api/types";
import { coded } from "../i18n/coded";
import { useFormats } from "../i18n/formats";
import { announce } from "../shell/announcer";
import type { CatchUp } from "./catch-up";
import type { FeedSnapshot } from "./live-feed";
import type { View } from "./live-socket";
import { useLiveFeed } from "./use-live-feed";

interface LivePictureProps {
  readonly camera: Camera;
  readonly view: View;
  /** What stands below the picture, beside its age. */
  readonly caption: React.ReactNode;
}

/** A camera's picture with its age. As soon as it is not what is there now, it is veiled and says so. */
export function LivePicture({ camera, view, caption }: LivePictureProps) {
  const { t } = useTranslation();
  const { attach, ...feed } = useLiveFeed(camera.id, view, camera.masking?.version ?? null);
  useFrozenAnnouncement(camera.name, feed.freshness);
  return (
    <figure className="live-picture" data-freshness={feed.freshness} data-view={view}>
      <div className="live-frame">
        <canvas ref={attach} role="img" aria-label={t(`live.picture.${view}`, { camera: camera.name })} />
        {feed.freshness !== "live" && <Veil feed={feed} />}
        {feed.freshness !== "none" && feed.catchUp !== null && <CatchUpNote catchUp={feed.catchUp} />}
      </div>
      <figcaption className="live-caption">
        {caption}
        <Age feed={feed} />
      </figcaption>
    </figure>
  );
}

function Age({ feed }: { feed: FeedSnapshot }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const age = feed.ageS === null ? t("live.noAge") : formats.age(feed.ageS);
  return (
    <span className="age" data-freshness={feed.freshness} data-age-s={feed.ageS ?? ""}>
      <span className="visually-hidden">{t("live.age")} </span>
      {age}
    </span>
  );
}

function CatchUpNote({ catchUp: { everyS } }: { catchUp: CatchUp }) {
  const { t } = useTranslation();
  return (
    <p className="catch-up">{everyS === null ? t("live.catchingUp") : t("live.catchingUpEvery", { count: everyS })}</p>
  );
}

function Veil({ feed }: { feed: FeedSnapshot }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const state = feed.state === null ? "" : coded("status", feed.state.code, feed.state.message);
  return (
    <div className="veil">
      <p className="veil-title">{feed.freshness === "stale" ? t("live.frozen") : t("live.waiting")}</p>
      {feed.ageS !== null && <p>{t("live.nothingSince", { age: formats.age(feed.ageS) })}</p>}
      {state !== "" && <p>{state}</p>}
      {state === "" && !feed.connected && <p>{t("live.reconnecting")}</p>}
    </div>
  );
}

function useFrozenAnnouncement(name: string, freshness: FeedSnapshot["freshness"]): void {
  const { t } = useTranslation();
  useEffect(() => {
    if (freshness === "stale") announce(t("live.frozenAnnounced", { camera: name }));
  }, [freshness, name, t]);
}
