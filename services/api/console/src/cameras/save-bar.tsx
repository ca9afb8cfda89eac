import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { Button } from "react-aria-components";
import { useTranslation } from "react-i18next";

import { isProblem } from "../api/problem";
import { ProblemNote } from "../ui/problem-note";
import type { Draft } from "./use-draft";

interface SaveBarProps {
  readonly camera: string;
  readonly draft: Omit<Draft<unknown>, "value" | "set" | "save">;
  /** Why it cannot be saved as it is; null: it can. */
  readonly obstacle: string | null;
  readonly save: () => void;
}

/** Save, or say why not: something is missing, or somebody else was here in between. */
export function SaveBar({ camera, draft, obstacle, save }: SaveBarProps) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const wasRefused = isProblem(draft.error, "changed_in_between");
  const isOvertaken = draft.isOvertaken || wasRefused;

  useEffect(() => {
    if (wasRefused) void client.invalidateQueries({ queryKey: ["camera", camera] });
  }, [wasRefused, client, camera]);

  return (
    <div className="save-bar">
      <div role="alert">
        {isOvertaken && (
          <div className="note note-problem">
            <p>{t("cameras.overtaken")}</p>
            <Button className="button" onPress={draft.takeTheirs}>
              {t("cameras.takeTheirs")}
            </Button>
          </div>
        )}
        {draft.error !== null && !wasRefused && <ProblemNote error={draft.error} />}
      </div>
      {draft.isDirty && obstacle !== null && <p className="note">{obstacle}</p>}
      <div className="actions">
        <Button
          className="button button-main"
          isDisabled={!draft.isDirty || obstacle !== null || isOvertaken}
          isPending={draft.isSaving}
          onPress={save}
        >
          {t("cameras.save")}
        </Button>
        <span role="status">
          {draft.isSaved && t("cameras.saved")}
          {draft.isDirty && t("cameras.unsaved")}
        </span>
      </div>
    </div>
  );
}
