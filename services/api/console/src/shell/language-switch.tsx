import { ToggleButton, ToggleButtonGroup } from "react-aria-components";
import { useTranslation } from "react-i18next";

import { chooseLanguage, LANGUAGES } from "../i18n";

/** Names of languages in their own language, as each reader looks for them. */
const NAMES = { fr: "Français", en: "English" } as const;

export function LanguageSwitch() {
  const { t, i18n } = useTranslation();
  return (
    <ToggleButtonGroup
      className="language-switch"
      aria-label={t("shell.language")}
      selectionMode="single"
      disallowEmptySelection
      selectedKeys={[i18n.language]}
      onSelectionChange={(keys) => {
        const chosen = LANGUAGES.find((language) => keys.has(language));
        if (chosen !== undefined) chooseLanguage(chosen);
      }}
    >
      {LANGUAGES.map((language) => (
        <ToggleButton key={language} id={language} className="button button-quiet" aria-label={NAMES[language]}>
          <span lang={language}>{language.toUpperCase()}</span>
        </ToggleButton>
      ))}
    </ToggleButtonGroup>
  );
}
