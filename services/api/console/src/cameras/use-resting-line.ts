import { useCallback } from "react";
import { useTranslation } from "react-i18next";

import type { Camera } from "../api/types";
import { useRules } from "../rules/queries";
import { restingRules } from "./resting-rules";

/**
 * One line on a camera's resting rules, for where there is no room for why; null: none rests.
 *
 * @param kind `line` names them all, `tile` one alone: more would leave no room for the picture.
 */
export function useRestingLine(kind: "line" | "tile"): (camera: Camera) => string | null {
  const { t, i18n } = useTranslation();
  const { data } = useRules();
  const { language } = i18n;
  return useCallback(
    (camera) => {
      const names = restingRules(camera, data ?? [], language).map(({ name }) => name);
      return names.length === 0 ? null : t(`rests.${kind}`, { count: names.length, rules: names.join(", ") });
    },
    [data, kind, language, t],
  );
}
