import i18next from "i18next";
import { initReactI18next } from "react-i18next";

import en from "./en.json";
import fr from "./fr.json";

export const LANGUAGES = ["fr", "en"] as const;
export type Language = (typeof LANGUAGES)[number];

/** How dates and numbers are written: day before month in both languages, since the town is the same. */
export const LOCALES: Readonly<Record<Language, string>> = { fr: "fr-FR", en: "en-GB" };

const STORAGE_KEY = "beffroi.language";

declare module "i18next" {
  interface CustomTypeOptions {
    resources: { translation: typeof fr };
    strictKeyChecks: true;
  }
}

export async function startLanguages(): Promise<void> {
  i18next.on("languageChanged", (language) => {
    document.documentElement.lang = language;
  });
  await i18next.use(initReactI18next).init({
    resources: { fr: { translation: fr }, en: { translation: en } },
    lng: rememberedLanguage(),
    fallbackLng: "fr",
    interpolation: { escapeValue: false }, // React escapes
  });
}

export function chooseLanguage(language: Language): void {
  window.localStorage.setItem(STORAGE_KEY, language);
  void i18next.changeLanguage(language);
}

/** French is the language of the house; English only for who chose it. */
function rememberedLanguage(): Language {
  const remembered = window.localStorage.getItem(STORAGE_KEY);
  return LANGUAGES.find((language) => language === remembered) ?? "fr";
}
