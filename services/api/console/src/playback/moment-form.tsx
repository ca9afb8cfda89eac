import { useState } from "react";
import { Button } from "react-aria-components";
import { useTranslation } from "react-i18next";

import { MomentField } from "../ui/moment-field";

/** Date and time to go to. It follows when another moment is chosen elsewhere, and keeps the focus where it is. */
export function MomentForm({ atMs, go }: { atMs: number; go: (atMs: number) => void }) {
  const { t } = useTranslation();
  const [followedMs, setFollowedMs] = useState(atMs);
  const [chosenMs, setChosenMs] = useState(atMs);
  if (followedMs !== atMs) {
    setFollowedMs(atMs);
    setChosenMs(atMs);
  }
  return (
    <form
      className="moment-form"
      onSubmit={(event) => {
        event.preventDefault();
        go(chosenMs);
      }}
    >
      <MomentField label={t("playback.moment")} atMs={chosenMs} change={setChosenMs} />
      <Button type="submit" className="button">
        {t("playback.go")}
      </Button>
    </form>
  );
}
