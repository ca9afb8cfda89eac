import { useTranslation } from "react-i18next";

import type { Level } from "../api/types";

/** How much a person has to care: said in a word, never by colour alone. */
export function LevelMark({ level }: { level: Level | "stale" }) {
  const { t } = useTranslation();
  return (
    <span className="level" data-level={level}>
      {t(`level.${level}`)}
    </span>
  );
}
