import { useState } from "react";
import { Button, GridList, GridListItem } from "react-aria-components";
import { useTranslation } from "react-i18next";
import { useNavigate } from "react-router";

import { AlertStrip } from "../alerts/alert-strip";
import { useUrgentAlerts } from "../alerts/queries";
import type { Camera } from "../api/types";
import { useCameras } from "../cameras/queries";
import { useRestingLine } from "../cameras/use-resting-line";
import { livePath } from "../shell/paths";
import { useShortcuts } from "../shell/shortcuts";
import { useTitle } from "../shell/title";
import { ProblemNote } from "../ui/problem-note";
import { useViews } from "./use-views";
import { Tile } from "./tile";

/** A person can keep an eye on about nine pictures, and nine have a digit each. */
export const TILES = 9;

export function WallPage() {
  const { t } = useTranslation();
  const cameras = useCameras();
  const urgent = useUrgentAlerts();
  const views = useViews();
  const navigate = useNavigate();
  const [page, setPage] = useState(0);
  const watched = (cameras.data ?? []).filter(({ enabled }) => enabled);
  const pages = Math.max(1, Math.ceil(watched.length / TILES));
  const shown = watched.slice(page * TILES, (page + 1) * TILES);
  const restingLine = useRestingLine("line");
  // What is read out when a tile gets the focus.
  const spoken = (camera: Camera) => [camera.name, restingLine(camera)].filter((each) => each !== null).join(". ");
  const turn = (by: number) => setPage((page + by + pages) % pages);
  useTitle(t("live.wall"));

  useShortcuts(t("live.wall"), [
    ...shown.map((camera, index) => ({
      keys: [String(index + 1)],
      label: t("keys.selectCamera", { camera: camera.name }),
      run: () => tileOf(camera)?.focus(),
    })),
    {
      keys: ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"],
      label: t("keys.moveTile"),
      run: () => focusFirst(shown),
    },
    { keys: ["a"], label: t("keys.annotate"), run: () => onFocused(shown, ({ id }) => views.toggle(id)) },
    { keys: ["Enter"], label: t("keys.enlarge"), run: () => onFocused(shown, ({ id }) => void navigate(livePath(id))) },
    ...(pages > 1
      ? [
          { keys: ["PageDown"], label: t("keys.nextPage"), run: () => turn(1) },
          { keys: ["PageUp"], label: t("keys.previousPage"), run: () => turn(-1) },
        ]
      : []),
  ]);

  return (
    <div className="wall-page fills-screen">
      <section className="wall" aria-labelledby="wall-heading">
        <h1 id="wall-heading" className="visually-hidden">
          {t("live.wall")}
        </h1>
        {cameras.isError && <ProblemNote error={cameras.error} />}
        <GridList
          aria-labelledby="wall-heading"
          className="wall-grid"
          data-count={shown.length}
          layout="grid"
          keyboardNavigationBehavior="tab"
          disallowTypeAhead
          items={shown}
          onAction={(id) => void navigate(livePath(String(id)))}
          dependencies={[views, urgent, page, restingLine]}
          renderEmptyState={() => (
            <p className="empty">{cameras.isPending ? t("shell.loading") : t("live.noCamera")}</p>
          )}
        >
          {(camera) => (
            <GridListItem id={camera.id} textValue={spoken(camera)} className="wall-item" data-camera={camera.id}>
              <Tile
                camera={camera}
                digit={shown.indexOf(camera) + 1}
                view={views.of(camera.id)}
                setView={(view) => views.set(camera.id, view)}
                urgent={urgent.filter((alert) => alert.camera === camera.id)}
              />
            </GridListItem>
          )}
        </GridList>
        {pages > 1 && (
          <div className="pager">
            <Button className="button" onPress={() => turn(-1)}>
              {t("live.previousPage")}
            </Button>
            <span>{t("live.pageOf", { page: page + 1, pages })}</span>
            <Button className="button" onPress={() => turn(1)}>
              {t("live.nextPage")}
            </Button>
          </div>
        )}
      </section>
      <AlertStrip />
    </div>
  );
}

function tileOf(camera: Camera): HTMLElement | null {
  return document.querySelector<HTMLElement>(`[data-camera="${CSS.escape(camera.id)}"]`);
}

function focusFirst(shown: readonly Camera[]): void {
  const [first] = shown;
  if (first !== undefined) tileOf(first)?.focus();
}

function onFocused(shown: readonly Camera[], act: (camera: Camera) => void): void {
  const focused = document.activeElement?.closest<HTMLElement>("[data-camera]")?.dataset.camera;
  const camera = shown.find(({ id }) => id === focused);
  if (camera === undefined) focusFirst(shown);
  else act(camera);
}
