import { useState } from "react";
import { Button } from "react-aria-components";
import { useTranslation } from "react-i18next";

import { MomentField } from "../ui/moment-field";

/** Date and time to go to. Mounted anew (by `key`) when the moment changes elsewhere. */
export function MomentForm({ atMs, go }: { atMs: number; go: (atMs: number) => void }) {
  const { t } = useTranslation();
  const [chosenMs, setChosenMs] = useState(atMs);
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
