import type { LegalBasis } from "../api/types";

/** Whether a basis is in force at a moment; its end no longer belongs to it. */
export function basisState(
  { starts_at, ends_at }: Pick<LegalBasis, "starts_at" | "ends_at">,
  atMs: number,
): "coming" | "inForce" | "over" {
  if (atMs < Date.parse(starts_at)) return "coming";
  return atMs < Date.parse(ends_at) ? "inForce" : "over";
}
