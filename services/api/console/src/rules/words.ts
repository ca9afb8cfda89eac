import type { FieldWords, Rule } from "../api/types";

/** What a rule is called; its own name where this release has no words for it. */
export function nameOf(rules: readonly Rule[] | undefined, rule: string, language: string): string {
  return rules?.find(({ name }) => name === rule)?.words[language]?.name ?? rule;
}

/** Words of one parameter by its path, e.g. `schedule.start`. */
export function fieldWords(rule: Rule, path: string, language: string): FieldWords {
  return rule.words[language]?.parameters[path] ?? { label: path, unit: "", help: "", options: {} };
}

/** What a part of a rule is called by its path within it, e.g. `parameters.threshold_s` or `geometry.zone`. */
export function partName(rule: Rule, path: string, language: string): string {
  const [part, ...rest] = path.split(".");
  const name = rest.join(".");
  if (part === "parameters") return labelOf(fieldWords(rule, name, language));
  const role = rule.roles.find((each) => each.name === name);
  if (role === undefined) return path;
  return `${role.words[language] ?? role.name} (${role.kind.words[language] ?? role.kind.name})`;
}

/** Label of a parameter with its unit. */
export function labelOf({ label, unit }: Pick<FieldWords, "label" | "unit">): string {
  return unit === "" ? label : `${label} (${unit})`;
}

/** The kinds of zones that rules need, each once. */
export function zoneKinds(rules: readonly Rule[]): Rule["roles"][number]["kind"][] {
  const kinds = rules.flatMap(({ roles }) => roles.map(({ kind }) => kind));
  return kinds.filter(({ name }, index) => kinds.findIndex((kind) => kind.name === name) === index);
}

/** What legal bases can name, each with the names of the rules that it allows. */
export function analytics(rules: readonly Rule[], language: string): { analytic: string; label: string }[] {
  const names = [...new Set(rules.map(({ analytic }) => analytic))];
  return names.map((analytic) => ({
    analytic,
    label: rules
      .filter((rule) => rule.analytic === analytic)
      .map(({ name }) => nameOf(rules, name, language))
      .join(", "),
  }));
}
