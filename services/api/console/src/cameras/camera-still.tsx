import { Button } from "react-aria-components";
import { useTranslation } from "react-i18next";

import type { Camera } from "../api/types";
import { useFormats } from "../i18n/formats";
import { ProblemNote } from "../ui/problem-note";
import { useStill } from "./queries";

/** Says what the drawing is made on: a picture of when, or a grid and why. */
export function StillNote({ camera }: { camera: Camera }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const still = useStill(camera.id);
  const capturedAt = still.data?.capturedAt ?? null;
  return (
    <div className="still-note">
      {camera.masking === null && <p className="note">{t("cameras.noDecision")}</p>}
      {still.isError && camera.masking !== null && (
        <>
          <p className="note">{t("cameras.noStill")}</p>
          <ProblemNote error={still.error} />
        </>
      )}
      {capturedAt !== null && <p className="muted">{t("cameras.stillAt", { at: formats.dateTime(capturedAt) })}</p>}
      <Button className="button" onPress={() => void still.refetch()} isPending={still.isFetching}>
        {t("cameras.refreshStill")}
      </Button>
    </div>
  );
}
