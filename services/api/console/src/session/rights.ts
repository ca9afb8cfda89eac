import type { Role } from "../api/types";

/** What a role may open in the console. The api decides for itself; this only spares a refusal. */
export type Right = "watch" | "configure" | "audit" | "health";

const RIGHTS: Readonly<Record<Role, readonly Right[]>> = {
  operator: ["watch", "health"],
  administrator: ["watch", "configure", "health"],
  dpo: ["audit", "health"],
};

export function may(role: Role, right: Right): boolean {
  return RIGHTS[role].includes(right);
}
