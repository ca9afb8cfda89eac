import { useMemo, useState } from "react";

import type { View } from "./live-socket";

/** Which view each camera is watched in: masked, unless somebody asked for the annotated one. */
export function useViews() {
  const [annotated, setAnnotated] = useState<ReadonlySet<string>>(new Set());
  return useMemo(() => {
    const of = (camera: string): View => (annotated.has(camera) ? "annotated" : "masked");
    const set = (camera: string, view: View) => {
      const changed = new Set(annotated);
      if (view === "annotated") changed.add(camera);
      else changed.delete(camera);
      setAnnotated(changed);
    };
    return { of, set, toggle: (camera: string) => set(camera, of(camera) === "masked" ? "annotated" : "masked") };
  }, [annotated]);
}
