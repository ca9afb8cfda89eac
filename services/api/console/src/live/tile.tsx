import { ToggleButton } from "react-aria-components";
import { useTranslation } from "react-i18next";

import type { Alert, Camera } from "../api/types";
import { useRestingLine } from "../cameras/use-resting-line";
import { useRuleName } from "../rules/queries";
import { LivePicture } from "./live-picture";
import type { View } from "./live-socket";

interface TileProps {
  readonly camera: Camera;
  /** The digit that selects it; null where there is no wall. */
  readonly digit: number | null;
  readonly view: View;
  readonly setView: (view: View) => void;
  readonly urgent: readonly Alert[];
}

/** One camera with its name, its view and what is happening there. */
export function Tile({ camera, digit, view, setView, urgent }: TileProps) {
  const { t } = useTranslation();
  const ruleName = useRuleName();
  const resting = useRestingLine("tile")(camera);
  return (
    <div className="tile" data-urgent={urgent.length > 0}>
      {urgent.length > 0 && (
        <p className="tile-alert">
          {t("alerts.urgency.now")} · {ruleName(urgent[0]?.rule ?? "")} · {urgent[0]?.zone_name}
          {urgent.length > 1 && ` (${urgent.length})`}
        </p>
      )}
      {resting !== null && <p className="tile-resting">{resting}</p>}
      <LivePicture
        camera={camera}
        view={view}
        caption={
          <>
            {digit !== null && <kbd aria-hidden="true">{digit}</kbd>}
            <span className="tile-name">{camera.name}</span>
            <ToggleButton
              className="button button-small"
              isSelected={view === "annotated"}
              onChange={(annotated) => setView(annotated ? "annotated" : "masked")}
              aria-label={t("live.annotateCamera", { camera: camera.name })}
            >
              {t("live.annotated")}
            </ToggleButton>
          </>
        }
      />
    </div>
  );
}
