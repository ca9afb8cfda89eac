import type { Camera } from "../api/types";
import { useRestingLine } from "./use-resting-line";

/** Names a camera's resting rules on a line of its own; nothing where all run. */
export function RestingLine({ camera }: { camera: Camera }) {
  const line = useRestingLine("line")(camera);
  return line === null ? null : <span className="resting-line">{line}</span>;
}
