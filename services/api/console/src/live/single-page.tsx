import { Button, Link } from "react-aria-components";
import { useTranslation } from "react-i18next";
import { useNavigate, useParams } from "react-router";

import { useUrgentAlerts } from "../alerts/queries";
import { useCamera } from "../cameras/queries";
import { PATHS, playbackPath } from "../shell/paths";
import { useShortcuts } from "../shell/shortcuts";
import { useTitle } from "../shell/title";
import { ProblemNote } from "../ui/problem-note";
import { Tile } from "./tile";
import { useViews } from "./use-views";

/** How far back « what was that? » begins. */
const LOOK_BACK_MS = 30_000;

/** One camera over the whole screen. */
export function SinglePage() {
  const { t } = useTranslation();
  const { camera: id = "" } = useParams();
  const camera = useCamera(id);
  const urgent = useUrgentAlerts();
  const views = useViews();
  const navigate = useNavigate();
  const toWall = () => void navigate(PATHS.wall);
  const toPlayback = () => void navigate(playbackPath(id, Date.now() - LOOK_BACK_MS));
  useTitle(camera.data?.name ?? t("live.wall"));
  useShortcuts(camera.data?.name ?? id, [
    { keys: ["Escape"], label: t("keys.backToWall"), run: toWall },
    { keys: ["a"], label: t("keys.annotate"), run: () => views.toggle(id) },
    { keys: ["e"], label: t("keys.playback"), run: toPlayback },
  ]);

  return (
    <div className="single-page fills-screen">
      <div className="single-header">
        <h1>{camera.data?.name ?? id}</h1>
        <Link className="button" href={PATHS.wall}>
          {t("live.backToWall")} <kbd>{t("keys.escape")}</kbd>
        </Link>
        <Button className="button" onPress={toPlayback}>
          {t("live.lookBack")} <kbd>E</kbd>
        </Button>
      </div>
      {camera.isError && <ProblemNote error={camera.error} />}
      {camera.data !== undefined && (
        <Tile
          camera={camera.data}
          digit={null}
          view={views.of(id)}
          setView={(view) => views.set(id, view)}
          urgent={urgent.filter((alert) => alert.camera === id)}
        />
      )}
    </div>
  );
}
